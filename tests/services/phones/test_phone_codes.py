"""What a number may cost: budgets that hold under load, and codes that are not sent twice."""

import itertools
import logging
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import create_engine

from authsvc import errors as e
from authsvc.app import MIGRATIONS
from authsvc.db import engine as engine_room
from authsvc.db.database import Database
from authsvc.db.models import Base
from authsvc.db.queries import phone_calls
from authsvc.sealing import KeyedHash
from authsvc.services.phones.codes import PhoneCodes
from authsvc.values.limits import PhoneBudgets
from authsvc.values.people import PhoneNumber
from authsvc.values.wechat import MiniProgram, WeChatPhone
from tests.harness.databases import MySQLSchema
from tests.harness.inprocess import Clock

APP = MiniProgram("wx4f4bc4dec97d474b", "an-app-secret-of-no-use", "audience")
OTHER_APP = MiniProgram("wxba5fad812f8e6fb9", "an-app-secret-of-no-use", "other")
NOON_IN_CHINA = 1_700_000_000 // 86400 * 86400 + 4 * 3600


class WeChat:
    """The client and the token in one: answers what a test has put there."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self.calls: list[tuple[str, str | None]] = []
        self.fails_with: Exception | None = None
        self.tapped = 0.0

    def call(self, app: MiniProgram, work: Callable[[str], Any]) -> Any:
        return work("70_token")

    def phone_number(self, app: MiniProgram, token: str, code: str, openid: str | None) -> WeChatPhone:
        with self._lock:
            self.calls.append((code, openid))
        if self.fails_with is not None:
            raise self.fails_with
        return WeChatPhone("86", "13800138000", int(self._clock.now() - self.tapped))


@pytest.fixture(scope="module", params=["sqlite", "mysql"])
def kept_database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    schema = None
    url = f"sqlite:///{tmp_path_factory.mktemp('phone') / 'phone.db'}"
    if request.param == "mysql":
        schema = MySQLSchema()
        url = schema.url.replace("mysql://", "mysql+pymysql://")
    engine = create_engine(url, **engine_room.options(url, 30))
    made = Database(engine, MIGRATIONS)
    Base.metadata.create_all(engine)
    yield made
    engine.dispose()
    if schema is not None:
        schema.drop()


@pytest.fixture
def database(kept_database: Database) -> Database:
    """The database without rows of an earlier test."""

    def empty(connection: Any) -> None:
        for table in ("phone_calls", "spent_phone_codes"):
            connection.exec_driver_sql(f"DELETE FROM {table}")

    kept_database.run(empty)
    return kept_database


@pytest.fixture
def clock() -> Clock:
    return Clock(NOON_IN_CHINA)


@pytest.fixture
def wechat(clock: Clock) -> WeChat:
    return WeChat(clock)


@pytest.fixture
def new(database: Database, clock: Clock, wechat: WeChat) -> Callable[..., PhoneCodes]:
    def build(**budgets: int) -> PhoneCodes:
        return PhoneCodes(
            wechat=wechat,  # type: ignore[arg-type]
            access_tokens=wechat,  # type: ignore[arg-type]
            database=database,
            hashes=KeyedHash((b"k" * 32,), "phone calls"),
            budgets=PhoneBudgets(**budgets),
            max_age=300,
            clock=clock,  # type: ignore[arg-type]
        )

    return build


_numbers = itertools.count()


def code() -> str:
    return f"{next(_numbers):064x}"


def verdicts(count: int, ask: Callable[[], object]) -> list[str]:
    """Ask from many threads; "ok" or the name of what was raised."""

    def one(_: int) -> str:
        try:
            ask()
        except e.AuthSvcError as error:
            return type(error).__name__
        return "ok"

    with ThreadPoolExecutor(20) as pool:
        return list(pool.map(one, range(count)))


def test_a_number_comes_back_and_the_openid_goes_along(new: Callable[..., PhoneCodes], wechat: WeChat) -> None:
    codes, spent = new(), code()
    assert codes.number(APP, spent, "o-lan", "192.0.2.1") == PhoneNumber("86", "13800138000")
    assert wechat.calls == [(spent, "o-lan")]
    assert codes.calls_today(APP) == 1


def test_one_code_is_sent_once_however_often_it_comes(new: Callable[..., PhoneCodes], wechat: WeChat) -> None:
    codes, spent = new(per_user=100), code()
    told = verdicts(20, lambda: codes.number(APP, spent, "o-lan"))
    assert sorted(told) == ["PhoneCodeInvalid"] * 19 + ["ok"]
    assert len(wechat.calls) == 1


def test_a_user_has_five_a_day_exactly(new: Callable[..., PhoneCodes], wechat: WeChat, clock: Clock) -> None:
    codes = new()
    told = verdicts(60, lambda: codes.number(APP, code(), "o-lan"))
    assert (told.count("ok"), told.count("PhoneBudgetExhausted"), len(wechat.calls)) == (5, 55, 5)
    assert verdicts(1, lambda: codes.number(APP, code(), "o-mei")) == ["ok"]
    assert verdicts(1, lambda: codes.number(OTHER_APP, code(), "o-lan")) == ["ok"]
    clock.moment += 86400
    assert verdicts(1, lambda: codes.number(APP, code(), "o-lan")) == ["ok"]


def test_the_twin_that_reads_and_then_writes_gives_more_than_five(
    new: Callable[..., PhoneCodes], wechat: WeChat, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_then_write(connection: Any, subject: str, day: int) -> int:
        if phone_calls.count(connection, subject, day) == 0:
            phone_calls._ADD.run(connection, subject=subject, day=day)
            return 1
        more = phone_calls.count(connection, subject, day) + 1
        time.sleep(0.01)
        connection.exec_driver_sql(f"UPDATE phone_calls SET calls = {more} WHERE subject = '{subject}'")
        return more

    if database.read(lambda connection: connection.dialect.name) == "sqlite":
        pytest.skip("SQLite has one writer at a time: its transactions begin with the lock")
    monkeypatch.setattr(phone_calls, "add", read_then_write)
    codes = new()
    told = verdicts(60, lambda: codes.number(APP, code(), "o-lan"))
    assert told.count("ok") > 5


def test_the_day_turns_at_midnight_in_china(new: Callable[..., PhoneCodes], clock: Clock) -> None:
    codes = new(per_user=1)
    clock.moment = NOON_IN_CHINA + 12 * 3600 - 1
    assert verdicts(2, lambda: codes.number(APP, code(), "o-lan")).count("ok") == 1
    clock.moment += 1
    assert verdicts(1, lambda: codes.number(APP, code(), "o-lan")) == ["ok"]


@pytest.mark.parametrize(
    ("addresses", "allowed"),
    [
        (["192.0.2.1"] * 6, 3),
        (["192.0.2.1"] * 3 + ["192.0.2.2"] * 3, 6),
        ([f"2001:db8::{n}" for n in range(6)], 3),
        ([f"2001:db8:0:{n}::1" for n in range(6)], 6),
        ([None] * 6, 6),  # not known: counted together with nobody
    ],
)
def test_an_address_has_a_budget_and_ipv6_counts_by_network(
    new: Callable[..., PhoneCodes], addresses: list[str | None], allowed: int
) -> None:
    codes = new(per_address=3)
    told = [verdicts(1, lambda a=a, n=n: codes.number(APP, code(), f"o-{n}", a))[0] for n, a in enumerate(addresses)]
    assert told.count("ok") == allowed


def test_the_budget_of_everybody_stops_everybody_and_tells_the_operator(
    new: Callable[..., PhoneCodes], wechat: WeChat
) -> None:
    codes = new(per_app=7)
    told = verdicts(40, lambda: codes.number(APP, code(), f"o-{code()}"))
    assert (told.count("ok"), told.count("PhoneCallsStopped"), len(wechat.calls)) == (7, 33, 7)
    assert e.PhoneCallsStopped.alarm and not e.PhoneBudgetExhausted.alarm
    assert e.PhoneCallsStopped.error == "phone_calls_stopped"
    assert verdicts(1, lambda: codes.number(OTHER_APP, code(), "o-lan")) == ["ok"]


def test_calls_that_name_nobody_share_a_part_and_leave_the_rest(new: Callable[..., PhoneCodes], wechat: WeChat) -> None:
    codes = new(per_app=12, unattributed=7, unattributed_per_address=0, per_address=0)
    told = verdicts(40, lambda: codes.number(APP, code(), None, f"192.0.2.{next(_numbers) % 200}"))
    assert (told.count("ok"), told.count("LookUpsStopped"), len(wechat.calls)) == (7, 33, 7)
    assert e.LookUpsStopped.alarm and e.LookUpsStopped.error == "phone_calls_stopped"
    told = verdicts(40, lambda: codes.number(APP, code(), f"o-{code()}", "192.0.2.1"))
    assert (told.count("ok"), told.count("PhoneCallsStopped")) == (5, 35)
    assert verdicts(1, lambda: codes.number(OTHER_APP, code())) == ["ok"]


@pytest.mark.parametrize(
    ("addresses", "allowed"),
    [
        (["192.0.2.1"] * 6, 3),
        ([f"192.0.2.{n}" for n in range(6)], 6),
        ([f"2001:db8:0:{n}::1" for n in range(6)], 3),  # one /56
        ([f"2001:db8:0:{n}00::1" for n in range(6)], 6),
        ([None] * 6, 6),
    ],
)
def test_of_that_part_an_address_has_a_share_and_ipv6_counts_by_line(
    new: Callable[..., PhoneCodes], addresses: list[str | None], allowed: int
) -> None:
    codes = new(unattributed_per_address=3)
    assert [verdicts(1, lambda a=a: codes.number(APP, code(), None, a))[0] for a in addresses].count("ok") == allowed
    assert verdicts(1, lambda: codes.number(APP, code(), "o-lan", addresses[0])) == ["ok"]


def test_refused_codes_of_an_address_that_names_nobody_end_after_a_hundred(
    new: Callable[..., PhoneCodes], wechat: WeChat
) -> None:
    codes = new()
    wechat.fails_with = e.PhoneCodeInvalid("40029", 40029)
    for _ in range(103):
        verdicts(1, lambda: codes.number(APP, code(), None, "192.0.2.1"))
    assert (len(wechat.calls), codes.calls_today(APP)) == (100, 0)
    wechat.fails_with = None
    told = [verdicts(1, lambda a=a: codes.number(APP, code(), None, a))[0] for a in ("192.0.2.1", "192.0.2.2")]
    assert told == ["PhoneBudgetExhausted", "ok"]


def test_zero_is_no_limit_but_is_counted(new: Callable[..., PhoneCodes]) -> None:
    codes = new(per_user=0, per_address=0, per_app=0)
    assert verdicts(30, lambda: codes.number(APP, code(), "o-lan", "192.0.2.1")) == ["ok"] * 30
    assert codes.calls_today(APP) == 30


@pytest.mark.parametrize(
    "cause",
    [
        e.WeChatUnreachable("refused"),
        e.AccessTokenUnavailable("no token"),
        e.WeChatOverloaded("no place"),
        e.WeChatMisconfigured("bad secret", 40125),
        e.WeChatQuotaExhausted("quota", 45009),
        e.WeChatRateLimited("minute", 45011),
    ],
    ids=lambda cause: type(cause).__name__,
)
def test_what_never_reached_wechat_costs_nothing_and_the_code_may_come_again(
    new: Callable[..., PhoneCodes], wechat: WeChat, cause: Exception
) -> None:
    codes, kept = new(per_user=1), code()
    wechat.fails_with = cause
    for _ in range(3):
        assert verdicts(1, lambda: codes.number(APP, code(), "o-lan")) == [type(cause).__name__]
    with pytest.raises(type(cause)):
        codes.number(APP, kept, "o-lan")
    wechat.fails_with = None
    assert codes.number(APP, kept, "o-lan").national == "13800138000"
    assert codes.calls_today(APP) == 1


@pytest.mark.parametrize(
    ("cause", "level"),
    [(e.WeChatNoAnswer("reset"), None), (e.WeChatBusy("-1", -1), None), (e.WeChatBadAnswer("HTML"), logging.ERROR)],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_after_silence_the_user_taps_again_and_the_code_is_not_sent_again(
    new: Callable[..., PhoneCodes],
    wechat: WeChat,
    cause: Exception,
    level: int | None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    codes, lost = new(), code()
    wechat.fails_with = cause
    with pytest.raises(e.PhoneUnanswered) as caught:
        codes.number(APP, lost, "o-lan")
    assert caught.value.action == "tap_again"
    wechat.fails_with = None
    with pytest.raises(e.PhoneCodeInvalid):
        codes.number(APP, lost, "o-lan")
    assert (len(wechat.calls), codes.calls_today(APP)) == (1, 1)
    assert [record.levelno for record in caplog.records if record.levelno >= logging.WARNING] == (
        [level] if level else []
    )


def test_refused_codes_cost_no_budget_but_end_after_twenty(new: Callable[..., PhoneCodes], wechat: WeChat) -> None:
    codes = new()
    wechat.fails_with = e.PhoneCodeInvalid("40029", 40029)
    for _ in range(30):
        verdicts(1, lambda: codes.number(APP, code(), "o-lan"))
    assert len(wechat.calls) == 20
    assert codes.calls_today(APP) == 0
    wechat.fails_with = None
    assert verdicts(1, lambda: codes.number(APP, code(), "o-lan")) == ["PhoneBudgetExhausted"]
    assert verdicts(1, lambda: codes.number(APP, code(), "o-mei")) == ["ok"]


@pytest.mark.parametrize(
    ("tapped", "told"), [(0, "ok"), (300, "ok"), (302, "PhoneCodeInvalid"), (-60, "ok"), (-62, "PhoneCodeInvalid")]
)
def test_a_tap_is_at_most_five_minutes_old(
    new: Callable[..., PhoneCodes], wechat: WeChat, tapped: float, told: str
) -> None:
    wechat.tapped = tapped
    assert verdicts(1, lambda: new().number(APP, code(), "o-lan")) == [told]


def test_neither_code_nor_openid_nor_address_is_stored(new: Callable[..., PhoneCodes], database: Database) -> None:
    spent = code()
    new().number(APP, spent, "o-lan-openid", "192.0.2.77")

    def everything(connection: Any) -> str:
        tables = ("phone_calls", "spent_phone_codes")
        return str([connection.exec_driver_sql(f"SELECT * FROM {table}").all() for table in tables])

    stored = database.read(everything)
    assert "app:" in stored
    assert not any(text in stored for text in (spent, "o-lan-openid", "192.0.2.77"))


def test_old_codes_and_days_are_forgotten(new: Callable[..., PhoneCodes], database: Database, clock: Clock) -> None:
    codes = new()
    codes.number(APP, code(), "o-lan")
    clock.moment += 3 * 86400
    codes.number(APP, code(), "o-mei")

    def rows(connection: Any) -> list[int]:
        tables = ("phone_calls", "spent_phone_codes")
        return [connection.exec_driver_sql(f"SELECT COUNT(*) FROM {table}").scalar() for table in tables]

    assert database.read(rows) == [2, 1]
