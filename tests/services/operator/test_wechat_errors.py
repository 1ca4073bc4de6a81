"""Failed calls to WeChat are counted for the console, and nothing that goes wrong there reaches a login."""

import threading
import time
from collections.abc import Callable

from authsvc import context, errors
from authsvc.db.database import Database
from authsvc.services.operator.wechaterrors import WeChatErrors
from authsvc.values.wechat import WeChatErrorKind
from tests.harness.inprocess import Clock, rows
from tests.harness.service import Service
from tests.harness.simulator import Simulator
from tests.harness.waiting import wait_until

HOUR = 3600
LOGIN = "/sns/jscode2session"
BUSY = errors.WeChatBusy("busy", -1)
NEVER = 10**6


def threads() -> int:
    """How many threads of this process write, those of earlier tests included."""
    return [thread.name for thread in threading.enumerate()].count("wechat errors")


class Away:
    """A database that cannot be reached."""

    def run(self, *_: object) -> None:
        raise errors.DatabaseBusy("away")


def test_calls_are_counted_by_hour_app_endpoint_and_errcode(each_database: Database, clock: Clock) -> None:
    workers = [WeChatErrors(each_database, clock, NEVER) for _ in range(2)]
    context.appid.set("wx1")
    for worker in workers:
        worker.note(LOGIN, BUSY)
        worker.note(LOGIN, BUSY)
        worker.note("/cgi-bin/stable_token", errors.WeChatUnreachable("no route"))
        assert worker.flush()
    context.appid.set("")
    clock.moment += HOUR
    workers[0].note(LOGIN, BUSY)
    assert workers[0].flush() and workers[0].flush()
    found = workers[1].of_the_last_day()
    hour = int(clock.now()) // HOUR * HOUR
    assert [(entry.kind, entry.calls, entry.latest) for entry in found] == [
        (WeChatErrorKind("wx1", LOGIN, "wechat_busy", -1), 4, hour - HOUR),
        (WeChatErrorKind("wx1", "/cgi-bin/stable_token", "wechat_unavailable", 0), 2, hour - HOUR),
        (WeChatErrorKind("", LOGIN, "wechat_busy", -1), 1, hour),
    ]
    assert workers[0].by_hour()[-3:] == [(hour - 2 * HOUR, 0), (hour - HOUR, 6), (hour, 1)]
    assert len(workers[0].by_hour()) == 24
    clock.moment += 25 * HOUR
    assert workers[0].of_the_last_day() == []


def test_without_a_database_it_keeps_counting_and_raises_nothing(each_database: Database, clock: Clock) -> None:
    counting = WeChatErrors(Away(), clock, NEVER)  # type: ignore[arg-type]
    for number in range(3000):
        counting.note(LOGIN, errors.WeChatUnknownError("new", 10**12 + number))
        counting.note(f"/path/{number}", BUSY)
    assert not counting.flush() and not counting.flush()
    counting._database = each_database
    assert counting.flush()
    # As many kinds as are kept, however many there were.
    [(kinds, calls)] = rows(each_database, "SELECT COUNT(*), SUM(calls) FROM wechat_errors")
    assert kinds == 1000 and calls >= 3000


def test_the_thread_writes_once_for_many_and_ends(each_database: Database, clock: Clock) -> None:
    counting, before = WeChatErrors(each_database, clock, 0.2), threads()
    for _ in range(50):
        counting.note(LOGIN, BUSY)
    assert threads() == before + 1
    wait_until(lambda: rows(each_database, "SELECT calls FROM wechat_errors") == [(50,)])
    wait_until(lambda: threads() == before)
    counting.note(LOGIN, BUSY)
    wait_until(lambda: rows(each_database, "SELECT calls FROM wechat_errors") == [(51,)])


def test_a_service_stores_what_wechat_refused(start_briefly: Callable[..., Service], simulator: Simulator) -> None:
    service = start_briefly("wechat-errors", workers=1)
    began = time.monotonic()
    assert service.login("0" * 32).status_code == 401
    counted = "SELECT appid, endpoint, error, errcode, calls FROM wechat_errors"
    wait_until(lambda: bool(service.rows(counted)), seconds=30)
    assert time.monotonic() - began >= 5
    assert [tuple(row) for row in service.rows(counted)] == [(service.appid, LOGIN, "wx_code_invalid", 40029, 1)]
