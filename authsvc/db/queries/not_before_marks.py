"""Queries on what ended before its tokens ran out: sessions, and everything that a user held at some moment."""

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
    """Finds sessions that were ended while a token of theirs may live. ``lifetimes`` are seconds by contract."""

    def __init__(self, lifetimes: Mapping[str, int]) -> None:
        cases = " ".join(f"WHEN :contract{n} THEN :now - :lifetime{n}" for n in range(len(lifetimes)))
        self._pages = Pages(
            "SELECT id, contract, revoked_at FROM sessions"
            # A contract that is gone from the code leaves tokens behind: none of ours lives longer than the longest.
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
        """Return the ids of sessions ended from ``start`` on, a page of them, and where to go on; None at the end.

        Left out are those whose tokens have run out.
        """
        rows, after = self._pages.read(connection, place, at_most, start=start, now=now, **self._values)
        return [row.id for row in rows], after


def mark(connection: Connection, user_id: int, now: int) -> None:
    """Note that no token of this user issued up to now is worth anything. A mark outlives its user's row."""
    _MARK.run(connection, user_id=user_id, now=now)


def marked_since(connection: Connection, since: int) -> dict[int, int]:
    """Return the users marked since then, each with the moment up to which tokens are worthless."""
    return {row.user_id: row.not_before for row in _MARKED.run(connection, since=since)}


def delete_old_marks(connection: Connection, before: int) -> int:
    """Delete some marks from before then; return how many, 0 when none is left."""
    return _DELETE_OLD.run(connection, before)
