"""Queries on audit events."""

from sqlalchemy import Connection

from authsvc.db.deletion import Deletion
from authsvc.db.statements import Statement
from authsvc.types import AuditEvent

_INSERT = Statement(
    "INSERT INTO audit_events (at, event, user_id, subject, detail, request_id)"
    " VALUES (:now, :event, :user_id, :subject, :detail, :request_id)"
)
_FIND = Statement(
    "SELECT id, at, event, user_id, subject, detail, request_id FROM audit_events WHERE at >= :since"
    " AND (:user_id IS NULL OR user_id = :user_id) AND (:subject IS NULL OR subject = :subject)"
    " AND (:event IS NULL OR event = :event) ORDER BY id DESC LIMIT :limit"
)
_DELETE_OLD = Deletion("audit_events", "at < :before")


def insert(
    connection: Connection, event: str, user_id: int | None, *, subject: str, detail: str, request_id: str, now: int
) -> None:
    """Store one event. ``subject`` is a keyed hash, ``detail`` holds no openid, phone or token."""
    values = {"event": event, "user_id": user_id, "subject": subject, "detail": detail, "request_id": request_id}
    _INSERT.run(connection, now=now, **values)


def find(
    connection: Connection,
    *,
    user_id: int | None = None,
    subject: str | None = None,
    event: str | None = None,
    since: int = 0,
    limit: int,
) -> list[AuditEvent]:
    """Return the newest events that fit, oldest first; ``None`` asks for any."""
    found = _FIND.run(connection, user_id=user_id, subject=subject, event=event, since=since, limit=limit)
    return [AuditEvent(*row) for row in reversed(found.all())]


def delete_stored(connection: Connection, before: int) -> int:
    """Delete some events of before then; return how many, 0 when none is left."""
    return _DELETE_OLD.run(connection, before)
