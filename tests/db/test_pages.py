"""Reading in pages costs in proportion to the rows, counted in steps of SQLite's machine."""

from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import Connection

from authsvc.db import personaldata
from authsvc.db.database import Database
from authsvc.db.pages import BEGINNING, Place
from authsvc.db.personaldata import TablePlace
from authsvc.db.queries.not_before_marks import EndedSessions
from tests.harness.inprocess import migrated_database

FEW, AT_ONCE = 1000, 50
# Rows of one second, and of different ones.
SECONDS = {"one second": lambda n: 7, "many": lambda n: 7 + n}
Read = Callable[[Connection], Iterator[int]]


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    with migrated_database(f"sqlite:///{tmp_path_factory.mktemp('pages') / 'x.db'}") as made:
        yield made


def fill(database: Database, count: int, second: Callable[[int], int]) -> None:
    """One user with so many sessions and events, among others' that nobody asks for."""

    def work(connection: Connection) -> None:
        for table in ("sessions", "audit_events", "users"):
            connection.exec_driver_sql(f"DELETE FROM {table}")
        connection.exec_driver_sql("INSERT INTO users (id, created_at, updated_at, last_login_at) VALUES (1, 0, 0, 0)")
        for n in range(count):
            connection.exec_driver_sql(
                "INSERT INTO sessions (id, user_id, appid, contract, token_version, created_at, last_used_at,"
                " rotated_at, idle_seconds, idle_expires_at, absolute_expires_at, revoked_at)"
                f" VALUES ('{n * 7919 % 100_003:06}', 1, 'wx', 'week', 0, 0, 0, 0, 0, 0, 0, {second(n)})"
            )
            connection.exec_driver_sql(f"INSERT INTO audit_events (at, event, user_id) VALUES ({second(n)}, 'x', 1)")

    database.run(work)


def exported(table: str) -> Read:
    def read(connection: Connection) -> Iterator[int]:
        place: TablePlace | None = TablePlace()
        while place is not None:
            rows, place = personaldata.read(connection, table, 1, place, AT_ONCE)
            yield len(rows)

    return read


def fed(connection: Connection) -> Iterator[int]:
    ended, place = EndedSessions({"week": 7 * 86400}), BEGINNING
    start: Place | None = place
    while start is not None:
        ids, start = ended.find(connection, 0, 10_000, start, AT_ONCE)
        yield len(ids)


def steps(database: Database, read: Read, count: int) -> int:
    """How much SQLite has to do, in tens of its instructions."""
    done = [0]

    def note() -> int:
        done[0] += 1
        return 0

    def work(connection: Connection) -> None:
        driver = connection.connection.driver_connection
        assert driver is not None
        driver.set_progress_handler(note, 10)
        try:
            assert sum(read(connection)) == count
        finally:
            driver.set_progress_handler(None, 10)

    database.read(work)
    return done[0]


@pytest.mark.parametrize("second", SECONDS.values(), ids=SECONDS)
def test_pages_cost_what_their_rows_cost(database: Database, second: Callable[[int], int]) -> None:
    reads = {"sessions": exported("sessions"), "audit_events": exported("audit_events"), "feed": fed}
    costs = []
    for count in (FEW, 4 * FEW):
        fill(database, count, second)
        costs.append({name: steps(database, read, count) for name, read in reads.items()})
    ratios = {name: costs[1][name] / costs[0][name] for name in reads}
    assert all(ratio < 6 for ratio in ratios.values()), ratios  # 16, were each page read from the beginning
