"""Queries on audit events."""

from sqlalchemy import Connection

from authsvc.db.statements import Statement

_INSERT = Statement(
    "INSERT INTO audit_events (at, event, user_id, detail, request_id)"
    " VALUES (:now, :event, :user_id, :detail, :request_id)"
)


def insert(connection: Connection, event: str, user_id: int | None, *, detail: str, request_id: str, now: int) -> None:
    """Store one event. ``detail`` holds no openid, phone or token."""
    _INSERT.run(connection, event=event, user_id=user_id, detail=detail, request_id=request_id, now=now)
