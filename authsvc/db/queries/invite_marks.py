"""Queries on invite marks: keyed hashes of former identifications of people whom an invite has counted."""

from collections.abc import Sequence

from sqlalchemy import Connection

from authsvc.db.deletion import Deletion
from authsvc.db.statements import ListStatement, Statement

_FIND = ListStatement("SELECT 1 FROM invite_marks WHERE mark IN ({listed}) AND expires_at > :now LIMIT 1")
_VALUES = "INSERT INTO invite_marks (mark, expires_at) VALUES (:mark, :expires_at)"
_ADD = Statement(
    f"{_VALUES} ON CONFLICT (mark) DO UPDATE SET expires_at = MAX(expires_at, excluded.expires_at)",
    mysql=f"{_VALUES} ON DUPLICATE KEY UPDATE expires_at = GREATEST(expires_at, VALUES(expires_at))",
)
_DELETE_OLD = Deletion("invite_marks", "expires_at <= :before")


def has_any(connection: Connection, marks: Sequence[str], now: int) -> bool:
    """True if one of these has not expired."""
    return bool(marks) and _FIND.run(connection, marks, now=now).first() is not None


def add(connection: Connection, marks: Sequence[str], *, expires_at: int) -> None:
    """Keep these at least until that time."""
    for mark in marks:
        _ADD.run(connection, mark=mark, expires_at=expires_at)


def delete_expired(connection: Connection, before: int) -> int:
    """Delete some marks that expired before that time; return how many, 0 if none is left."""
    return _DELETE_OLD.run(connection, before)
