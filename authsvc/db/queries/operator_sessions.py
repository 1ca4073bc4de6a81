"""Queries on sessions of operators. A session that is ended is deleted."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from authsvc.db.deletion import Deletion
from authsvc.db.statements import ListStatement, Statement
from authsvc.values.operator import OperatorRole


@dataclass(frozen=True, slots=True)
class OperatorSession:
    """A live session: its id, its operator, and when it was last recorded as used (seconds since 1970 UTC)."""

    id: str
    operator: str
    role: OperatorRole
    seen_at: int


_INSERT = Statement(
    "INSERT INTO operator_sessions (id, operator, begun_at, seen_at) VALUES (:id, :operator, :now, :now)"
)
_LIVE = "begun_at > :begun_after AND seen_at > :seen_after"
_FIND_LIVE = ListStatement(
    "SELECT s.id, s.operator, o.role, s.seen_at FROM operator_sessions s JOIN operators o ON o.name = s.operator"
    f" WHERE s.id IN ({{listed}}) AND o.removed_at IS NULL AND {_LIVE}"
)
_TOUCH = Statement(f"UPDATE operator_sessions SET seen_at = :now WHERE id = :id AND {_LIVE}")
_END = Statement("DELETE FROM operator_sessions WHERE id = :id")
_END_ALL = Statement("DELETE FROM operator_sessions WHERE operator = :operator")
_KEPT = (
    "SELECT id FROM operator_sessions WHERE operator = :operator ORDER BY begun_at DESC, seen_at DESC"
    " LIMIT 1000000 OFFSET :keep"
)
_END_OLDEST = Statement(f"DELETE FROM operator_sessions WHERE id IN (SELECT id FROM ({_KEPT}) AS oldest)")
_DELETE_OLD = Deletion("operator_sessions", "begun_at < :before")


def insert(connection: Connection, session_id: str, operator: str, now: int) -> None:
    """Begin a session."""
    _INSERT.run(connection, id=session_id, operator=operator, now=now)


def find_live(
    connection: Connection, ids: Sequence[str], *, begun_after: int, seen_after: int
) -> OperatorSession | None:
    """Return the session with one of these ids, if it is live."""
    row = _FIND_LIVE.run(connection, ids, begun_after=begun_after, seen_after=seen_after).first()
    return None if row is None else OperatorSession(*row)


def touch(connection: Connection, session_id: str, *, now: int, begun_after: int, seen_after: int) -> None:
    """Record that a live session was used."""
    _TOUCH.run(connection, id=session_id, now=now, begun_after=begun_after, seen_after=seen_after)


def end(connection: Connection, session_id: str) -> bool:
    """End a session; False if there is none."""
    return _END.run(connection, id=session_id).rowcount == 1


def end_all(connection: Connection, operator: str) -> int:
    """End every session of an operator; return how many."""
    return _END_ALL.run(connection, operator=operator).rowcount


def end_oldest(connection: Connection, operator: str, *, keep: int) -> None:
    """End the sessions of an operator except the ``keep`` latest ones."""
    _END_OLDEST.run(connection, operator=operator, keep=keep)


def delete_begun(connection: Connection, before: int) -> int:
    """Delete some sessions that began before that time; return how many, 0 if none is left."""
    return _DELETE_OLD.run(connection, before)
