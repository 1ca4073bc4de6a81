"""Security-relevant changes, one event each. Never a login per line, never an openid, phone number or token."""

import logging

from sqlalchemy import Connection

from authsvc.context import request_id
from authsvc.db.queries import audit_events, identities
from authsvc.sealing import KeyedHash
from authsvc.values.operator import AuditEvent

logger = logging.getLogger(__name__)


class AuditLog:
    """Stores events, and names people by user id and ``subject``: a keyed hash of the openid they came with first.

    The id dies with the user; the hash is the same should the same WeChat come again.
    """

    def __init__(self, hashes: KeyedHash) -> None:
        self._hashes = hashes

    def record(
        self,
        connection: Connection,
        event: str,
        user_id: int | None,
        now: int,
        detail: str = "",
        openid: str | None = None,
    ) -> None:
        """Store an event in the transaction of the change it tells of, and log it.

        Of one kind, a user has a hundred within a day; more are in the log alone.
        ``user_id`` is whom it is about, if anybody: recorded while the identities of the user are still theirs. Of
        somebody who has no user any more it is the ``openid``, where that is known.
        """
        openid = openid if user_id is None else identities.first_openid(connection, user_id)
        subject = "" if openid is None else self._subject(openid)
        is_stored = audit_events.insert(
            connection, event, user_id, subject=subject, detail=detail, request_id=request_id.get()[:64], now=now
        )
        place = "" if is_stored else " (in the log alone: too many today)"
        logger.info("audit: %s user=%s subject=%s %s%s", event, user_id, subject, detail, place)

    def find(
        self,
        connection: Connection,
        *,
        user_id: int | None,
        openid: str | None,
        event: str | None,
        since: int,
        limit: int,
    ) -> list[AuditEvent]:
        """Return the newest events that fit, oldest first; ``None`` asks for any, ``since`` is seconds UTC."""
        subject = None if openid is None else self._subject(openid)
        return audit_events.find(connection, user_id=user_id, subject=subject, event=event, since=since, limit=limit)

    def _subject(self, openid: str) -> str:
        return self._hashes.of(openid)
