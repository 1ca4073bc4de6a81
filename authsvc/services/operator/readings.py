"""Figures by day for the console: who registered, and who came with an invite. Every reading is bounded."""

from collections.abc import Callable

from sqlalchemy import Connection

from authsvc.clock import CHINA, DAY, SystemClock
from authsvc.db.database import Database
from authsvc.db.queries import invite_codes, users
from authsvc.values.operator import ByDay

DAYS = 30
# At most this many rows are counted, the newest ones: 0.1 s on a small machine. Days before that are left out.
_MOST_ROWS = 200_000


class Readings:
    """Counts by day in China, for the last 30 days."""

    def __init__(self, database: Database, clock: SystemClock, most_rows: int = _MOST_ROWS) -> None:
        self._database = database
        self._clock = clock
        self._most_rows = most_rows

    def sign_ups(self) -> ByDay:
        """Count the users that were created, without those erased since; raises ServiceBusy or DatabaseUnusable."""
        return self._database.read(self._by_day, users.nth_newest, users.created_by_day)

    def uses(self, batch: str | None = None) -> ByDay:
        """Count those who came with a code of this batch, or with any invite; raises as ``sign_ups`` does."""

        def by_day(connection: Connection, since: int, ahead: int) -> dict[int, int]:
            return invite_codes.used_by_day(connection, since, ahead, batch)

        return self._database.read(self._by_day, invite_codes.nth_newest_use, by_day)

    def _by_day(
        self,
        connection: Connection,
        nth_newest: Callable[[Connection, int, int], int | None],
        count: Callable[[Connection, int, int], dict[int, int]],
    ) -> ByDay:
        today = (self._clock.seconds() + CHINA) // DAY
        first = asked = today - DAYS + 1
        too_old = nth_newest(connection, _beginning(asked), self._most_rows)
        if too_old is not None:
            # The day of that row is not whole; today is shown in any case.
            first = min(today, (too_old + CHINA) // DAY + 1)
        found = count(connection, _beginning(first), CHINA)
        return ByDay(tuple((day, found.get(day, 0)) for day in range(first, today + 1)), is_cut=first > asked)


def _beginning(day: int) -> int:
    """Return when a day in China begins (seconds UTC)."""
    return day * DAY - CHINA
