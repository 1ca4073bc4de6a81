"""Security-relevant changes, one event each. No ordinary logins, and no openids, phone numbers or tokens."""

import logging

from sqlalchemy import Connection

from authsvc.context import request_id
from authsvc.db.queries import audit_events, identities
from authsvc.sealing import KeyedHash
from authsvc.services.changes.journal import ChangeJournal
from authsvc.values.changes import ChangeKind
from authsvc.values.operator import AuditEvent

logger = logging.getLogger(__name__)


class AuditLog:
    """Stores events, and identifies people by user id and ``subject``: a keyed hash of their first openid.

    The id is deleted with the user; the hash is the same if the same WeChat account comes again. What other services
    want to hear of goes to the journal of changes as well.
    """

    def __init__(self, hashes: KeyedHash, journal: ChangeJournal) -> None:
        self._hashes = hashes
        self._journal = journal

    def record(
        self,
        connection: Connection,
        event: str,
        user_id: int | None,
        now: int,
        detail: str = "",
        openid: str | None = None,
        operator: str = "",
    ) -> None:
        """Store an event in the transaction of its change, and log it.

        At most a hundred events of one kind are stored per user and day; further ones are only logged.
        ``user_id`` is the user concerned, if any; record the event while the user still has their identities. For a
        person without a user, ``openid`` is used instead, if known. ``operator`` did it, if it was not the command
        line or the person.
        """
        self._journal.note_event(connection, event, user_id, now)
        openid = openid if user_id is None else identities.first_openid(connection, user_id)
        subject = "" if openid is None else self._subject(openid)
        is_stored = audit_events.insert(
            connection,
            event,
            user_id,
            subject=subject,
            detail=detail,
            request_id=request_id.get()[:64],
            operator=operator,
            now=now,
        )
        place = "" if is_stored else " (only logged: too many today)"
        known = {"event": event, "user_id": user_id, "subject": subject}
        by = ""
        if operator:
            known["operator"], by = operator, f" operator={operator}"
        logger.info("audit: %s user=%s subject=%s%s %s%s", event, user_id, subject, by, detail, place, extra=known)

    def tell(
        self, connection: Connection, kind: ChangeKind, user_id: int, now: int, *, into_id: int | None = None
    ) -> None:
        """Store a change that is no event of its own in the journal of changes only."""
        self._journal.note(connection, kind, user_id, now, into_id=into_id)

    def find(
        self,
        connection: Connection,
        *,
        user_id: int | None,
        openid: str | None,
        event: str | None,
        operator: str | None = None,
        since: int,
        limit: int,
    ) -> list[AuditEvent]:
        """Return the newest matching events, oldest first; ``None`` matches any, ``since`` is seconds UTC."""
        subject = None if openid is None else self._subject(openid)
        return audit_events.find(
            connection, user_id=user_id, subject=subject, event=event, operator=operator, since=since, limit=limit
        )

    def _subject(self, openid: str) -> str:
        return self._hashes.of(openid)
