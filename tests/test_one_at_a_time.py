"""A number has one holder among all processes, and none when its holder dies."""

import os
import signal
from pathlib import Path

from authsvc.oneatatime import OneAtATime

USER = 2**40


def test_a_number_has_one_holder_in_a_process(tmp_path: Path) -> None:
    numbers = OneAtATime(tmp_path / "exports")
    assert [numbers.take(USER), numbers.take(USER), numbers.take(7)] == [True, False, True]
    numbers.leave(USER)
    numbers.leave(USER)
    assert numbers.take(USER)
    assert (tmp_path / "exports").stat().st_size == 0


def test_a_number_has_one_holder_among_processes_and_none_when_it_dies(tmp_path: Path) -> None:
    told, tell = os.pipe()
    holder = os.fork()
    if holder == 0:
        os.write(tell, b"%d" % OneAtATime(tmp_path / "exports").take(USER))
        signal.pause()
    try:
        assert os.read(told, 1) == b"1"
        numbers = OneAtATime(tmp_path / "exports")
        assert [numbers.take(USER), numbers.take(USER + 1)] == [False, True]
    finally:
        os.kill(holder, signal.SIGKILL)
        os.waitpid(holder, 0)
    assert numbers.take(USER)
