"""Writers of SQLite take turns: nobody is overtaken for long, nobody waits for whoever is dead or stopped."""

import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest

from authsvc.db import turns
from authsvc.db.sqlitefile import turns_of
from authsvc.db.turns import Turns
from authsvc.errors import ServiceBusy
from tests.harness.crowd import Crowd, Request, percentile, post
from tests.harness.inprocess import migrated_database
from tests.harness.places import ROOT
from tests.harness.processes import go_before_others
from tests.harness.quickwechat import quick_wechat
from tests.harness.service import Service
from tests.harness.simulator import Simulator
from tests.harness.waiting import wait_until

pytestmark = pytest.mark.slow

LONG = 60.0
NAMES = "abcd"
# Half of what each of four would have of so many writes, if they were dealt out evenly.
WINDOW, HALF_A_SHARE = 200, 25
_HOLDER = """
import sys, time
from pathlib import Path
from authsvc.db.turns import Turns
with Turns(Path(sys.argv[1])).take(60):
    print("holds it", flush=True)
    time.sleep(60)
"""


@contextmanager
def python(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A Python that has printed its first line."""
    with subprocess.Popen(
        [sys.executable, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as started:
        try:
            assert started.stdout is not None and started.stdout.readline()
            yield started
        finally:
            started.kill()


@contextmanager
def holder(file: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process whose turn it is, and stays."""
    with python("-c", _HOLDER, str(file)) as started:
        yield started


# --- Within a process -------------------------------------------------------------------------------------------


def test_those_of_one_process_are_served_in_the_order_in_which_they_came(tmp_path: Path) -> None:
    line, served = Turns(tmp_path / "turns"), []

    def write(number: int) -> None:
        with line.take(LONG):
            served.append(number)

    with ThreadPoolExecutor(8) as others:
        with line.take(LONG):
            for number in range(8):
                others.submit(write, number)
                wait_until(lambda number=number: len(line._waiting) == number + 1)
        write(8)  # at once, and yet after all who were there
    assert served == list(range(9))


def test_whoever_waits_too_long_is_told_to_come_back_and_is_in_nobodys_way() -> None:
    line = Turns(None)
    with line.take(LONG), ThreadPoolExecutor(1) as other, pytest.raises(ServiceBusy):
        other.submit(lambda: line.take(0.05).__enter__()).result()
    with line.take(0.05):
        assert not line._waiting


def test_a_turn_ends_with_what_fails_in_it(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), Turns(tmp_path / "turns").take(LONG):
        raise ZeroDivisionError
    with holder(tmp_path / "turns"):
        pass


# --- Among processes --------------------------------------------------------------------------------------------


def written(folder: Path, how: str, *under: str) -> str:
    """Let four processes write for two seconds; return their names in the order of what they wrote."""
    with migrated_database(f"sqlite:///{folder / 'authsvc.db'}") as database:
        database.run(
            lambda connection: connection.exec_driver_sql("CREATE TABLE written (id INTEGER PRIMARY KEY, name)")
        )
        arguments = [str(ROOT / "tests" / "db" / "contender.py"), database._url]
        with ExitStack() as stack:
            processes = [stack.enter_context(python(*under, *arguments, name, how)) for name in NAMES]
            for each in processes:
                print(file=each.stdin, flush=True)
            assert [each.wait(LONG) for each in processes] == [0] * len(NAMES)
        found = database.read(
            lambda connection: connection.exec_driver_sql("SELECT name FROM written ORDER BY id").all()
        )
    return "".join(name for (name,) in found)


def least_of_a_window(names: str) -> int:
    """How often the one who came off worst wrote among so many writes in a row, while all four wanted to."""
    begin = max(names.index(name) for name in NAMES)
    end = min(names.rindex(name) for name in NAMES)
    assert end - begin > 2 * WINDOW
    windows = (Counter(names[at : at + WINDOW]) for at in range(begin, end - WINDOW))
    return min(window[name] for window in windows for name in NAMES)


@pytest.mark.alone
@pytest.mark.parametrize("under", [(), ("-m", "gevent.monkey")], ids=["threads", "greenlets"])
def test_no_process_gets_less_than_half_of_its_share(
    tmp_path: Path, under: tuple[str, ...], figures: Callable[[str], None]
) -> None:
    names = written(tmp_path, "turns", *under)
    least = least_of_a_window(names)
    figures(f"four processes, {len(names)} writes: of {WINDOW} in a row at least {least} are each one's")
    assert least >= HALF_A_SHARE


@pytest.mark.alone
def test_nor_while_a_process_is_stopped_whose_turn_it_was(tmp_path: Path) -> None:
    """Those who pass over it must not go on to wait for each other."""
    with holder(tmp_path / "authsvc.db-turns") as other:
        os.kill(other.pid, signal.SIGSTOP)
        assert least_of_a_window(written(tmp_path, "turns")) >= HALF_A_SHARE


@pytest.mark.alone
def test_the_twin_without_turns_lets_somebody_starve(tmp_path: Path, figures: Callable[[str], None]) -> None:
    names = written(tmp_path, "polling")
    least = least_of_a_window(names)
    figures(f"the same without turns, {len(names)} writes: of {WINDOW} in a row {least}")
    assert least < HALF_A_SHARE


def test_when_a_holder_is_killed_others_go_on_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "_PATIENCE_SECONDS", 2 * LONG)
    with holder(tmp_path / "turns") as other:
        threading.Timer(0.3, other.kill).start()
        started = time.monotonic()
        with Turns(tmp_path / "turns").take(4 * LONG):
            assert 0.2 < time.monotonic() - started < LONG


def test_a_holder_that_is_stopped_is_waited_for_once(tmp_path: Path) -> None:
    line = Turns(tmp_path / "turns")
    with holder(tmp_path / "turns") as other:
        os.kill(other.pid, signal.SIGSTOP)
        started = time.monotonic()
        with line.take(LONG):
            assert turns._PATIENCE_SECONDS <= time.monotonic() - started < LONG
        for _ in range(100):
            with line.take(LONG):
                assert line._queue is not None and line._queue.is_ours
        assert time.monotonic() - started < LONG
        with pytest.raises(ServiceBusy), line.take(LONG):
            raise ServiceBusy("while the other is still stopped")


def test_where_processes_cannot_queue_they_write_without_turns(tmp_path: Path) -> None:
    (tmp_path / "turns").mkdir()
    with Turns(tmp_path / "turns").take(LONG), Turns(tmp_path / "no folder" / "turns").take(LONG):
        pass
    assert turns_of(None) is None and turns_of(":memory:") is None


def test_the_file_is_ours_alone_and_stays_empty(tmp_path: Path) -> None:
    with migrated_database(f"sqlite:///{tmp_path / 'authsvc.db'}") as database:
        database.run(lambda connection: None)
        found = (tmp_path / "authsvc.db-turns").stat()
    assert (stat.S_IMODE(found.st_mode), found.st_size) == (0o600, 0)


# --- The service ------------------------------------------------------------------------------------------------


def logins(simulator: Simulator, service: Service, users: list[str]) -> list[Request]:
    """A login of each of these users, ready to be sent."""
    return [post(f"{service.url}/api/v1/auth/login", {"code": simulator.code(user)}) for user in users]


def turns_file(service: Service) -> Path:
    return service.folder / "instance" / "authsvc.db-turns"


@pytest.mark.alone
def test_logins_go_on_without_a_stopped_holder_and_everything_else_beside_it(
    simulator: Simulator, sqlite_service: Service, crowd: Crowd, figures: Callable[[str], None]
) -> None:
    requests = logins(simulator, sqlite_service, [f"turns-{number}" for number in range(20)])
    with holder(turns_file(sqlite_service)) as other, closing(Crowd(1)) as onlooker:
        os.kill(other.pid, signal.SIGSTOP)
        go_before_others(sqlite_service.process.pid, simulator.process.pid, os.getpid())
        seen = onlooker.measure([Request("GET", f"{sqlite_service.url}/healthz")], 1)
        answers = crowd.send(requests)
        others = [answer.seconds for answer in seen.result(30)]
    sqlite_service.keep_all(answers)
    slowest = max(answer.seconds for answer in answers)
    figures(
        f"somebody stopped holds the turn: {len(answers)} logins, the slowest took {slowest:.2f} s;"
        f" /healthz meanwhile p99 {percentile(others, 99) * 1000:.0f} ms"
    )
    assert {answer.status for answer in answers} == {200}
    assert min(answer.seconds for answer in answers) > 0.9, "nobody waited: this shows nothing"
    assert percentile(others, 90) < 0.5


@pytest.mark.alone
def test_a_thousand_logins_at_once_are_all_served(
    start_briefly: Callable[..., Service], tmp_path: Path, crowd: Crowd, figures: Callable[[str], None]
) -> None:
    with quick_wechat(tmp_path) as (wechat, process):
        service = start_briefly("thousand", workers=4, wechat=wechat)
        requests = [post(f"{service.url}/api/v1/auth/login", {"code": f"u{number}n"}) for number in range(1000)]
        go_before_others(service.process.pid, process.pid, os.getpid())
        answers = crowd.send(requests)
        service.keep_all(answers)
        figures(f"1,000 logins at once on SQLite, 4 workers: the slowest took {max(a.seconds for a in answers):.2f} s")
        assert Counter(answer.status for answer in answers) == {200: 1000}
