"""Queries on audit events."""

from sqlalchemy import Connection

from authsvc.db.deletion import Deletion
from authsvc.db.statements import Statement
from authsvc.types import AuditEvent

# Of one kind, a user has so many within a day: nobody fills the table, and a flood of one kind hides no other.
MOST_A_DAY = 100
_DAY = 86400
_VALUES = (
    "INSERT INTO audit_events (at, event, user_id, subject, detail, request_id)"
    " SELECT :now, :event, :user_id, :subject, :detail, :request_id"
)
_WITHIN = (
    " WHERE :user_id IS NULL OR (SELECT COUNT(*) FROM audit_events"
    f" WHERE user_id = :user_id AND at > :now - {_DAY} AND event = :event) < {MOST_A_DAY}"
)
_INSERT = Statement(_VALUES + _WITHIN, mysql=f"{_VALUES} FROM DUAL{_WITHIN}")
_FIND = Statement(
    "SELECT id, at, event, user_id, subject, detail, request_id FROM audit_events WHERE at >= :since"
    " AND (:user_id IS NULL OR user_id = :user_id) AND (:subject IS NULL OR subject = :subject)"
    " AND (:event IS NULL OR event = :event) ORDER BY id DESC LIMIT :limit"
)
_DELETE_OLD = Deletion("audit_events", "at < :before")


def insert(
    connection: Connection, event: str, user_id: int | None, *, subject: str, detail: str, request_id: str, now: int
) -> bool:
    """Store one event; False when its user has MOST_A_DAY of that kind.

    ``subject`` is a keyed hash, ``detail`` holds no openid, phone or token.
    """
    values = {"event": event, "user_id": user_id, "subject": subject, "detail": detail, "request_id": request_id}
    return _INSERT.run(connection, now=now, **values).rowcount == 1


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
