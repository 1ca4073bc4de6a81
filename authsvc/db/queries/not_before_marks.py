"""Queries on tokens that became invalid before they expired: of ended sessions, and of users up to some time."""

from collections.abc import Mapping

from sqlalchemy import Connection

from authsvc.db.deletion import Deletion
from authsvc.db.pages import Pages, Place
from authsvc.db.statements import Statement

_VALUES = "INSERT INTO not_before_marks (user_id, not_before) VALUES (:user_id, :now)"
_MARK = Statement(
    f"{_VALUES} ON CONFLICT (user_id) DO UPDATE SET not_before = MAX(not_before, excluded.not_before)",
    mysql=f"{_VALUES} ON DUPLICATE KEY UPDATE not_before = GREATEST(not_before, VALUES(not_before))",
)
_MARKED = Statement("SELECT user_id, not_before FROM not_before_marks WHERE not_before >= :since ORDER BY user_id")
_DELETE_OLD = Deletion("not_before_marks", "not_before < :before")


class EndedSessions:
    """Finds ended sessions whose tokens may still be unexpired. ``lifetimes`` are seconds by contract."""

    def __init__(self, lifetimes: Mapping[str, int]) -> None:
        cases = " ".join(f"WHEN :contract{n} THEN :now - :lifetime{n}" for n in range(len(lifetimes)))
        self._pages = Pages(
            "SELECT id, contract, revoked_at FROM sessions"
            # A contract that was removed from the code leaves tokens behind, none with more than the longest lifetime.
            f" WHERE revoked_at >= CASE contract {cases} ELSE :now - :longest END",
            ("revoked_at", "contract", "id"),
            begin=" AND revoked_at >= :start",
        )
        self._values: dict[str, str | int] = {"longest": max(lifetimes.values())}
        for number, (contract, lifetime) in enumerate(lifetimes.items()):
            self._values |= {f"contract{number}": contract, f"lifetime{number}": lifetime}

    def find(
        self, connection: Connection, start: int, now: int, place: Place, at_most: int
    ) -> tuple[list[str], Place | None]:
        """Return a page of ids of sessions that ended from ``start`` on, and where to continue; None at the end.

        Sessions whose tokens have expired are left out.
        """
        rows, after = self._pages.read(connection, place, at_most, start=start, now=now, **self._values)
        return [row.id for row in rows], after


def mark(connection: Connection, user_id: int, now: int) -> None:
    """Record that all tokens of this user issued up to now are invalid. The mark outlives the user's row."""
    _MARK.run(connection, user_id=user_id, now=now)


def marked_since(connection: Connection, since: int) -> dict[int, int]:
    """Return the users marked since that time, each with the time up to which their tokens are invalid."""
    return {row.user_id: row.not_before for row in _MARKED.run(connection, since=since)}


def delete_old_marks(connection: Connection, before: int) -> int:
    """Delete some marks from before that time; return how many, 0 if none is left."""
    return _DELETE_OLD.run(connection, before)
