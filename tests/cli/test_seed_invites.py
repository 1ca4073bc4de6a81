"""scripts/seed_invites.sh: killed and run again, on a terminal and in a pipe."""

import os
import pty
import re
import secrets
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import pytest

from tests.harness.places import ROOT
from tests.harness.service import Service
from tests.harness.waiting import wait_until

COUNT = 20_000
_PATIENCE = 60.0


def command(service: Service, *arguments: str, **options: object) -> "subprocess.Popen[str]":
    """Start scripts/seed_invites.sh with the service's settings."""
    script = str(ROOT / "scripts" / "seed_invites.sh")
    environment = {**service.environment, "VIRTUAL_ENV": sys.prefix}
    given = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **options}
    return subprocess.Popen([script, *arguments], env=environment, **given)  # type: ignore[call-overload]


def run(service: Service, *arguments: str) -> tuple[int, str, str]:
    """Run it to its end: exit code, output, and errors without log lines."""
    process = command(service, *arguments)
    output, errors = process.communicate(timeout=_PATIENCE)
    return (
        process.returncode,
        output,
        "".join(line for line in errors.splitlines(keepends=True) if not line.startswith("{")),
    )


def numbers(service: Service, batch: str) -> list[int]:
    rows = service.rows(f"SELECT batch_number FROM invite_codes WHERE batch = '{batch}' ORDER BY batch_number")
    return [number for (number,) in rows]


@pytest.fixture
def batch() -> str:
    """A name that no other test uses: the services are shared."""
    return f"b-{secrets.token_hex(4)}"


def test_a_batch_killed_halfway_and_run_again_has_every_number_once(each_service: Service, batch: str) -> None:
    killed = command(each_service, "--batch", batch, "--count", str(COUNT))
    wait_until(lambda: each_service.count("invite_codes", f"batch = '{batch}'") > 0, _PATIENCE)
    killed.send_signal(signal.SIGKILL)
    killed.communicate(timeout=_PATIENCE)
    stood = numbers(each_service, batch)
    assert stood == list(range(1, len(stood) + 1))
    assert 0 < len(stood) < COUNT
    again = [command(each_service, "--batch", batch, "--count", str(COUNT)) for _ in range(2)]
    told = [process.communicate(timeout=_PATIENCE)[0] for process in again]
    assert [process.returncode for process in again] == [0, 0]
    assert numbers(each_service, batch) == list(range(1, COUNT + 1))
    assert each_service.rows("SELECT COUNT(*) - COUNT(DISTINCT code) FROM invite_codes") == [(0,)]
    assert all(text.splitlines()[-1].startswith(f"{batch}: {COUNT} codes, ") for text in told)


def test_in_a_pipe_progress_is_plain_lines(each_service: Service, batch: str, figures: Callable[[str], None]) -> None:
    started = time.perf_counter()
    code, output, errors = run(each_service, "--batch", batch, "--count", str(COUNT))
    seconds = time.perf_counter() - started
    assert (code, errors) == (0, "")
    steps = [f"{batch}: {tenth * COUNT // 10} of {COUNT}" for tenth in range(1, 11)]
    assert output.splitlines() == [*steps, f"{batch}: {COUNT} codes, {COUNT} of them new"]
    database = "MariaDB" if each_service.schema else "SQLite"
    figures(f"{COUNT:,} invite codes seeded on {database} in {seconds:.1f} s, the start of the program included")


def _heed_ctrl_c() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Terminal:
    """The script on a terminal of its own."""

    def __init__(self, service: Service, *arguments: str) -> None:
        self._ours, theirs = pty.openpty()
        streams = {"stdin": theirs, "stdout": theirs, "stderr": theirs}
        # Tests that a shell has started in the background have inherited from it that Ctrl-C is ignored.
        self._process = command(service, *arguments, **streams, start_new_session=True, preexec_fn=_heed_ctrl_c)
        os.close(theirs)
        self.shown = b""

    def read_until(self, part: bytes) -> None:
        wait_until(lambda: self._read() and part in self.shown, _PATIENCE)

    def interrupt(self) -> None:
        os.killpg(self._process.pid, signal.SIGINT)

    def end(self) -> int:
        while self._read():
            pass
        os.close(self._ours)
        return self._process.wait(_PATIENCE)

    def _read(self) -> bool:
        select.select([self._ours], [], [], _PATIENCE)
        try:
            more = os.read(self._ours, 65536)
        except OSError:  # Linux says EIO when the last program has gone
            more = b""
        self.shown += more
        return bool(more)


def test_on_a_terminal_progress_is_a_bar_and_ctrl_c_leaves_no_gap(service: Service, batch: str) -> None:
    terminal = Terminal(service, "--batch", batch, "--count", "200000")
    terminal.read_until(b"[#")
    terminal.interrupt()
    assert terminal.end() == 130
    assert b"repeat the same command to continue where this one stopped" in terminal.shown
    assert b"Traceback" not in terminal.shown
    assert re.search(rb"[1-9]\d*000/200000", terminal.shown)
    stood = numbers(service, batch)
    assert stood == list(range(1, len(stood) + 1))
    assert 0 < len(stood) < 200_000


def test_the_script_without_arguments_says_how_it_is_used(service: Service) -> None:
    code, output, errors = run(service)
    assert (code, output) == (2, "")
    assert "usage: scripts/seed_invites.sh --batch NAME --count N" in errors
