"""Queries on ban marks: keyed hashes of people's former openids, unionids and phone numbers.

A mark with a ``user_id`` is in effect while that user is disabled. A mark of a disabled person who was erased has no
user; ``ban`` connects the marks of one person, and says nothing else.
"""

from collections.abc import Sequence

from sqlalchemy import Connection

from authsvc.db.deletion import Deletion
from authsvc.db.statements import ListStatement, Statement

_BANS = ListStatement(
    "SELECT 1 FROM ban_marks m LEFT JOIN users u ON u.id = m.user_id WHERE m.mark IN ({listed})"
    " AND m.expires_at > :now AND (m.user_id IS NULL OR u.status = 'disabled') LIMIT 1"
)
_VALUES = "INSERT INTO ban_marks (mark, user_id, ban, expires_at) VALUES (:mark, :user_id, :ban, :expires_at)"
_ADD = Statement(
    f"{_VALUES} ON CONFLICT (mark, user_id) DO UPDATE SET expires_at = excluded.expires_at",
    mysql=f"{_VALUES} ON DUPLICATE KEY UPDATE expires_at = VALUES(expires_at)",
)
_KEEP = Statement("UPDATE ban_marks SET expires_at = :expires_at WHERE user_id = :user_id AND expires_at > :now")
_MOVE = Statement(
    "UPDATE OR IGNORE ban_marks SET user_id = :into WHERE user_id = :user_id",
    mysql="UPDATE IGNORE ban_marks SET user_id = :into WHERE user_id = :user_id",
)
_DELETE_OF_USER = Statement("DELETE FROM ban_marks WHERE user_id = :user_id")
_OUTLIVE = Statement(
    "UPDATE ban_marks SET user_id = NULL, ban = :ban, expires_at = :expires_at"
    " WHERE user_id = :user_id AND expires_at > :now"
)
_BANS_OF = ListStatement("SELECT DISTINCT ban FROM ban_marks WHERE mark IN ({listed}) AND ban IS NOT NULL")
_LIFT = ListStatement("DELETE FROM ban_marks WHERE mark IN ({listed})")
_LIFT_BANS = ListStatement("DELETE FROM ban_marks WHERE ban IN ({listed})")
_DELETE_OF = ListStatement("DELETE FROM ban_marks WHERE mark IN ({listed}) AND user_id = :user_id")
_DELETE_OLD = Deletion("ban_marks", "expires_at <= :before")


def keeps_out(connection: Connection, marks: Sequence[str], now: int) -> bool:
    """True if one of these marks belongs to a disabled person. One lookup by the marks."""
    return bool(marks) and _BANS.run(connection, marks, now=now).first() is not None


def add(connection: Connection, marks: Sequence[str], *, user_id: int, expires_at: int) -> None:
    """Store these marks for a user who was identified by them until now."""
    for mark in marks:
        _ADD.run(connection, mark=mark, user_id=user_id, ban=None, expires_at=expires_at)


def keep(connection: Connection, user_id: int, *, expires_at: int, now: int) -> None:
    """Extend this user's marks that have not expired until that time."""
    _KEEP.run(connection, user_id=user_id, expires_at=expires_at, now=now)


def move_all(connection: Connection, user_id: int, into: int) -> None:
    """Move the marks of one user to another."""
    _MOVE.run(connection, user_id=user_id, into=into)
    _DELETE_OF_USER.run(connection, user_id=user_id)


def delete_of(connection: Connection, marks: Sequence[str], *, user_id: int) -> None:
    """Delete these marks of one user."""
    _DELETE_OF.run(connection, marks, user_id=user_id)


def outlive(connection: Connection, marks: Sequence[str], *, user_id: int, ban: str, expires_at: int, now: int) -> None:
    """Turn these marks, and those of a user whose row is being deleted, into marks of a ``ban`` without a user."""
    _OUTLIVE.run(connection, user_id=user_id, ban=ban, expires_at=expires_at, now=now)
    for mark in marks:
        _ADD.run(connection, mark=mark, user_id=None, ban=ban, expires_at=expires_at)


def lift(connection: Connection, marks: Sequence[str]) -> int:
    """Delete these marks, and all other marks of the erased people they belong to; return how many."""
    bans = [row.ban for row in _BANS_OF.run(connection, marks)]
    deleted = _LIFT.run(connection, marks).rowcount
    return deleted + (_LIFT_BANS.run(connection, bans).rowcount if bans else 0)


def delete_expired(connection: Connection, before: int) -> int:
    """Delete some marks that expired before that time; return how many, 0 if none is left."""
    return _DELETE_OLD.run(connection, before)
