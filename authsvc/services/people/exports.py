"""Exports of everything that is stored about a person, read in pages, so that they may have any number of rows."""

import json
from collections.abc import Callable, Iterator, Mapping

from sqlalchemy import Connection

from authsvc.clock import SystemClock, give_way
from authsvc.db import personaldata
from authsvc.db.database import Database
from authsvc.db.queries import audit_events, identities, users
from authsvc.errors import NotFound, TooManyRequests
from authsvc.oneatatime import OneAtATime
from authsvc.services.accounts.reach import reach
from authsvc.services.audit import AuditLog
from authsvc.values.sessions import Caller

# A page takes five milliseconds to read and write, and other requests run between two pages.
_ROWS_AT_ONCE = 500

Row = dict[str, object]
Shown = Mapping[str, Callable[[Row], bool]]


class Export:
    """The stored data of a user and of users merged into it. The caller must ``close`` it, even if unread.

    No transaction or connection stays open between two pages, so a slow reader delays nobody. Data that changes
    meanwhile may appear in its old or new state.
    """

    def __init__(
        self, database: Database, user_ids: list[int], close: Callable[[], None], shown: Shown | None = None
    ) -> None:
        """``shown`` selects the rows of a table that are included; default: all."""
        self._database = database
        self._user_ids = user_ids
        self.close = close
        self._shown = shown or {}

    def pages(self, *tables: str) -> Iterator[tuple[str, list[Row]]]:
        """Yield (table, rows): each of these tables (default: all) at least once, its rows in pages.

        A row maps columns to values; times are seconds UTC. It contains nothing that could be used to sign in, to
        decrypt or to forge anything.
        """
        for table in tables or personaldata.EXPORTED:
            yield table, []
            for user_id in self._user_ids:
                yield from ((table, rows) for rows in self._rows(table, user_id))

    def _rows(self, table: str, user_id: int) -> Iterator[list[Row]]:
        start: personaldata.TablePlace | None = personaldata.TablePlace()
        while start is not None:
            rows, start = self._database.read(
                personaldata.read, table=table, user_id=user_id, start=start, at_most=_ROWS_AT_ONCE
            )
            if found := list(filter(self._shown.get(table), rows)):
                yield found
            give_way()

    def rows(self, table: str) -> list[Row]:
        """Return all rows of a table in which a person has few rows."""
        return [row for _, rows in self.pages(table) for row in rows]

    def json(self, *, ascii_only: bool = False) -> Iterator[str]:
        """Yield one JSON object, from table to list of rows, piece by piece."""
        last: str | None = None
        has_rows = False
        for table, rows in self.pages():
            if table != last:
                yield f'{"{" if last is None else "],"}\n"{table}":['
                last, has_rows = table, False
            if rows:
                text = ",\n".join(json.dumps(row, ensure_ascii=ascii_only, separators=(",", ":")) for row in rows)
                yield f"{',' if has_rows else ''}\n{text}"
                has_rows = True
        yield "]}\n"


class Exports:
    """Reads the stored data, table by table."""

    def __init__(self, database: Database, audit: AuditLog, clock: SystemClock, running: OneAtATime) -> None:
        """``running`` keeps each person to one export at a time."""
        self._database = database
        self._audit = audit
        self._clock = clock
        self._running = running

    def for_person(self, caller: Caller) -> Export:
        """Return the export of the caller, who can have one at a time.

        Data of other mini programs is left out; their sessions export it. Raises NotFound, TooManyRequests.
        """
        user_id = caller.user.id
        if not self._running.take(user_id):
            raise TooManyRequests(f"an export of user {user_id} is being read", 10)
        try:
            same_ids, shown = self._database.read(_seen_by, caller)
        except BaseException:
            self._running.leave(user_id)
            raise
        return Export(self._database, same_ids, lambda: self._running.leave(user_id), shown)

    def for_operator(self, user_id: int) -> Export:
        """Return the same for an operator on the person's behalf, with an audit event. Raises NotFound."""
        now = self._clock.seconds()

        def work(connection: Connection) -> list[int]:
            same_ids = _same_person(connection, user_id)
            self._audit.record(connection, "export", user_id, now, "by the operator")
            return same_ids

        return Export(self._database, self._database.run(work), _nothing)

    def glance(self, user_id: int) -> tuple[Export, int]:
        """Return what an operator may see without an audit event, and the number of audit events. Raises NotFound."""

        def work(connection: Connection) -> tuple[list[int], int]:
            same_ids = _same_person(connection, user_id)
            return same_ids, sum(audit_events.count(connection, same_id) for same_id in same_ids)

        same_ids, events = self._database.read(work)
        return Export(self._database, same_ids, _nothing), events


def _nothing() -> None:
    pass


def _seen_by(connection: Connection, caller: Caller) -> tuple[list[int], Shown]:
    """Return the caller's ids, and a filter for the rows that this session may see."""
    reached = reach(connection, caller)
    everywhere = identities.all_of_user(connection, caller.user.id)
    managed = {identity.id for identity in everywhere if reached.covers(identity)}
    return _same_person(connection, caller.user.id), {
        "identities": lambda row: row["id"] in managed,
        "sessions": lambda row: row["appid"] == reached.appid,
        "audit_events": lambda row: audit_events.shows_in(str(row["event"]), str(row["detail"]), reached.appid),
    }


def _same_person(connection: Connection, user_id: int) -> list[int]:
    same_ids = [same_id for same_id, _ in users.same_person(connection, user_id)]
    if not same_ids:
        raise NotFound(f"user {user_id}")
    return same_ids
