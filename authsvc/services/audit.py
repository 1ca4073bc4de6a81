"""Security-relevant changes, one event each. Never a login per line, never an openid, phone number or token."""

import logging

from sqlalchemy import Connection

from authsvc.context import request_id
from authsvc.db import auditevents, identities
from authsvc.sealing import KeyedHash

logger = logging.getLogger(__name__)


class AuditLog:
    """Stores events, and names people by user id and ``subject``: a keyed hash of the openid they came with first.

    The id dies with the user; the hash is the same should the same WeChat come again.
    """

    def __init__(self, hashes: KeyedHash) -> None:
        self._hashes = hashes

    def record(self, connection: Connection, event: str, user_id: int | None, now: int, detail: str = "") -> None:
        """Store an event in the transaction of the change it tells of, and log it.

        ``user_id`` is whom it is about, if anybody: recorded while the identities of the user are still theirs.
        """
        openid = None if user_id is None else identities.first_openid(connection, user_id)
        subject = "" if openid is None else self.subject_of(openid)
        auditevents.insert(connection, event, user_id, detail=detail, request_id=request_id.get()[:64], now=now)
        logger.info("audit: %s user=%s subject=%s %s", event, user_id, subject, detail)

    def subject_of(self, openid: str) -> str:
        """Return what stands for an openid in events: 64 hex digits, by the first of SECRET_KEYS."""
        return self._hashes.of(openid)
