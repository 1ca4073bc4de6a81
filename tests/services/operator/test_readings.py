"""Figures by day: whole days in China, none left out, and never more rows than allowed."""

from collections.abc import Callable

import pytest

from authsvc.db.database import Database
from authsvc.services.operator.readings import DAYS, Readings
from tests.harness.inprocess import Clock, rows

HOUR, DAY = 3600, 86400
# 2027-01-15 16:30 in China; its day began at 16:00 UTC of the day before.
NOW = 1_800_000_000 + 30 * 60
TODAY = (NOW + 8 * HOUR) // DAY
MIDNIGHT = TODAY * DAY - 8 * HOUR


@pytest.fixture
def clock() -> Clock:
    return Clock(NOW)


@pytest.fixture
def store(each_database: Database) -> Callable[..., None]:
    def run(*statements: str) -> None:
        def work(connection) -> None:
            for statement in statements:
                connection.exec_driver_sql(statement)

        each_database.run(work)

    return run


def user(number: int, created_at: int) -> str:
    return f"INSERT INTO users (id, created_at, updated_at, last_login_at) VALUES ({number}, {created_at}, 0, 0)"


def code(number: int, batch: str | None) -> str:
    named = f"'{batch}', {number}" if batch else "NULL, NULL"
    columns = "id, code, created_at, batch, batch_number"
    return f"INSERT INTO invite_codes ({columns}) VALUES ({number}, 'C{number}', 0, {named})"


def use(code_id: int, used_at: int) -> str:
    return f"INSERT INTO invite_uses (invite_code_id, used_at) VALUES ({code_id}, {used_at})"


def test_a_day_begins_at_midnight_in_china(store: Callable[..., None], each_database: Database, clock: Clock) -> None:
    store(user(1, MIDNIGHT - 1), user(2, MIDNIGHT), user(3, NOW), user(4, MIDNIGHT - 30 * DAY - 1))
    signed_up = Readings(each_database, clock).sign_ups()
    assert [day for day, _ in signed_up.days] == list(range(TODAY - DAYS + 1, TODAY + 1))
    assert dict(signed_up.days)[TODAY - 1] == 1
    assert (signed_up.today, signed_up.total, signed_up.is_cut) == (2, 3, False)


def test_a_campaign_counts_its_own_uses(store: Callable[..., None], each_database: Database, clock: Clock) -> None:
    store(code(1, "spring"), code(2, "spring"), code(3, "autumn"), code(4, None))
    store(*(use(number, MIDNIGHT - DAY) for number in (1, 2, 2, 3, 4)), use(1, NOW))
    readings = Readings(each_database, clock)
    assert [readings.uses(batch).total for batch in ("spring", "autumn", "winter", None)] == [4, 1, 0, 6]
    spring = readings.uses("spring")
    assert (spring.days[-2][1], spring.today) == (3, 1)


def test_the_newest_rows_are_counted_in_whole_days(
    store: Callable[..., None], each_database: Database, clock: Clock
) -> None:
    store(*(user(number + 1, MIDNIGHT - (number // 3) * DAY + 5) for number in range(9)))
    whole = Readings(each_database, clock, most_rows=9).sign_ups()
    assert (whole.total, whole.is_cut) == (9, False)
    cut = Readings(each_database, clock, most_rows=7).sign_ups()
    assert (cut.days, cut.is_cut) == (((TODAY - 1, 3), (TODAY, 3)), True)
    # However much happens today, today is told.
    assert Readings(each_database, clock, most_rows=1).sign_ups().days == ((TODAY, 3),)


def test_the_indexes_are_used(each_database: Database) -> None:
    questions = (
        "SELECT created_at FROM users WHERE created_at >= 5 ORDER BY created_at DESC LIMIT 1 OFFSET 7",
        "SELECT used_at FROM invite_uses WHERE used_at >= 5 ORDER BY used_at DESC LIMIT 1 OFFSET 7",
    )
    is_sqlite = each_database.read(lambda connection: connection.dialect.name) == "sqlite"
    for question, index in zip(questions, ("ix_users_created_at", "ix_invite_uses_used_at"), strict=True):
        plan = rows(each_database, f"EXPLAIN {'QUERY PLAN ' if is_sqlite else ''}{question}")
        assert index in str(plan), plan
