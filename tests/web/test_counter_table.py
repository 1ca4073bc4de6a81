"""The counters that workers share: what a window lets through, and what a flood of names does to them."""

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authsvc.web import countertable
from authsvc.web.countertable import TABLE_BYTES, CounterTable

MINUTE = 60


class Clock:
    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_window_slides(clock: Clock) -> None:
    table = CounterTable(None, clock)
    assert [table.hit("a", 3, MINUTE) for _ in range(3)] == [0, 0, 0]
    assert table.hit("a", 3, MINUTE) > 0
    clock.now += MINUTE  # all three are one window back, and still within reach
    assert table.hit("a", 3, MINUTE) > 0
    clock.now += MINUTE / 3 + 1
    assert [table.hit("a", 3, MINUTE) > 0 for _ in range(3)] == [False, False, True]
    clock.now += 2 * MINUTE
    assert [table.hit("a", 3, MINUTE) for _ in range(3)] == [0, 0, 0]


@given(st.lists(st.floats(0.0, 50.0), max_size=80), st.integers(1, 12), st.sampled_from([1, 10, MINUTE]))
def test_never_more_than_twice_the_limit_in_a_window_and_who_waits_as_told_is_let_in(
    pauses: list[float], limit: int, seconds: int
) -> None:
    clock = Clock()
    table = CounterTable(None, clock)
    passed: list[float] = []
    for pause in pauses:
        clock.now += pause
        wait = table.hit("a", limit, seconds)
        if wait == 0:
            passed.append(clock.now)
        else:
            assert wait <= 2 * seconds
            ahead = Clock(clock.now + wait + 0.001)
            table._clock = ahead
            assert table.hit("a", limit, seconds) == 0
            passed.append(ahead.now)
            clock.now = ahead.now
            table._clock = clock
    assert all(sum(at - seconds < other <= at for other in passed) <= 2 * limit for at in passed)


def test_names_and_limits_are_apart(clock: Clock) -> None:
    table = CounterTable(None, clock)
    assert [table.hit(name, 1, MINUTE) > 0 for name in ("a", "b", "a", "\ud800", "\ud800")] == [
        False,
        False,
        True,
        False,
        True,
    ]


def test_a_flood_of_names_grows_nothing_and_forgets_itself_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(countertable, "_BUCKETS", 1024)
    path = tmp_path / "counters"
    table = CounterTable(path)
    while table.hit("near the limit", 100, 86400) == 0:
        pass
    for number in range(20_000):
        table.hit(f"2001:db8:{number:x}::/64", 100, 86400)
    assert table.hit("near the limit", 100, 86400) > 0
    assert path.stat().st_size == TABLE_BYTES < 3_000_000
    assert path.stat().st_mode & 0o777 == 0o600


def test_processes_count_together_and_one_that_dies_holds_nobody_up(tmp_path: Path) -> None:
    path = tmp_path / "counters"
    table = CounterTable(path)
    # On a busy machine a holder may be kept from running for longer than others wait for it, and a count be lost.
    program = (
        "import sys; from pathlib import Path; from authsvc.web import countertable\n"
        "countertable._PATIENCE_SECONDS = 30\n"
        "t = countertable.CounterTable(Path(sys.argv[1])); print(sum(t.hit('a', 1000, 86400) == 0 for _ in range(800)))"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    counted = sum(int(process.communicate(timeout=30)[0]) for process in running)
    assert counted == 1000
    assert table.hit("a", 1000, 86400) > 0


def test_a_worker_that_was_stopped_while_it_counted_holds_nobody_up(tmp_path: Path) -> None:
    path = tmp_path / "counters"
    table = CounterTable(path)
    holder = os.fork()
    if holder == 0:
        with path.open("r+b") as file:
            fcntl.lockf(file, fcntl.LOCK_EX)
            os.kill(os.getpid(), 19)  # SIGSTOP
        os._exit(0)
    try:
        os.waitpid(holder, os.WUNTRACED)
        assert [table.hit("a", 2, 86400) > 0 for _ in range(3)] == [False, False, True]
    finally:
        os.kill(holder, 9)
        os.waitpid(holder, 0)


def test_what_is_no_table_is_replaced_and_never_written_to(tmp_path: Path) -> None:
    path = tmp_path / "counters"
    path.write_bytes(b"x" * TABLE_BYTES)
    with path.open("rb") as other:
        assert CounterTable(path).hit("a", 1, MINUTE) == 0
        assert other.read() == b"x" * TABLE_BYTES
    assert CounterTable(path).hit("a", 1, MINUTE) > 0
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(b"")
    (tmp_path / "link").symlink_to(elsewhere)
    with pytest.raises(OSError, match="link"):
        CounterTable(tmp_path / "link")
    assert elsewhere.read_bytes() == b""
