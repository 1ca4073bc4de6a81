"""The helper process: what it has of us, what it may take, and what becomes of whoever waits when it fails."""

import gc
import os
import resource
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image

from authsvc.errors import PicturesBusy, PicturesUnavailable
from authsvc.imaging import helper, lane
from authsvc.imaging.essence import Undecodable
from authsvc.imaging.lane import Lane
from authsvc.imaging.limits import MEMORY_BYTES
from tests.harness import pictures
from tests.harness.pictures import encoded, picture

GOOD = encoded(picture(), "JPEG")
TWIN = "tests.twins.counts_no_structure"


@pytest.fixture
def avatars() -> Iterator[Lane]:
    made = Lane("avatar", 4)
    yield made
    if made._helper is not None:
        made._helper.end()


def process_of(used: Lane) -> int:
    """The id of the process that draws there; it is started if need be."""
    used.draw(GOOD)
    assert used._helper is not None
    return used._helper._process.pid


def is_there(pid: int) -> bool:
    """Also as a zombie."""
    return Path("/proc", str(pid)).exists()


def test_it_is_started_by_the_first_picture_and_stays(avatars: Lane) -> None:
    assert avatars._helper is None
    first = process_of(avatars)
    assert process_of(avatars) == first


def test_it_has_nothing_of_ours(avatars: Lane, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WX_SECRET", pictures.MARK.decode())
    with Path("/dev/null").open():
        place = Path("/proc", str(process_of(avatars)))
        assert sorted(path.name for path in (place / "fd").iterdir()) == ["0", "1", "2"]
        variables = (place / "environ").read_bytes().split(b"\0")
    assert [entry.partition(b"=")[0] for entry in variables if entry] == [b"PYTHONPATH"]
    assert pictures.MARK not in (place / "cmdline").read_bytes()
    assert os.readlink(place / "cwd") == "/"
    assert os.getpgid(int(place.name)) == int(place.name)


def test_it_may_take_little_and_start_or_open_nothing(avatars: Lane) -> None:
    pid = process_of(avatars)
    limits = {name: resource.prlimit(pid, name) for name in (resource.RLIMIT_NOFILE, resource.RLIMIT_AS)}
    assert limits == {resource.RLIMIT_NOFILE: (3, 3), resource.RLIMIT_AS: (MEMORY_BYTES, MEMORY_BYTES)}
    for name in (resource.RLIMIT_FSIZE, resource.RLIMIT_NPROC, resource.RLIMIT_CORE):
        assert resource.prlimit(pid, name) == (0, 0)
    soft, _ = resource.prlimit(pid, resource.RLIMIT_CPU)
    assert 0 < soft <= 5
    assert os.getpriority(os.PRIO_PROCESS, pid) > os.getpriority(os.PRIO_PROCESS, 0)


@pytest.mark.slow
def test_who_forgets_a_lane_leaves_no_process() -> None:
    forgotten = Lane("avatar", 1)
    pid = process_of(forgotten)
    del forgotten
    gc.collect()
    assert not is_there(pid)


def test_one_that_was_killed_while_nobody_looked_is_replaced(avatars: Lane) -> None:
    pid = process_of(avatars)
    os.kill(pid, signal.SIGKILL)
    assert avatars.draw(GOOD)[0] == "jpg"
    assert not is_there(pid)


def test_one_that_a_fork_inherited_is_not_used_and_not_harmed(avatars: Lane) -> None:
    pid = process_of(avatars)
    child = os.fork()
    if child == 0:
        os._exit(0 if process_of(avatars) != pid else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert process_of(avatars) == pid


def test_a_frozen_one_is_ended_and_who_waited_may_come_again(avatars: Lane, monkeypatch: pytest.MonkeyPatch) -> None:
    pid = process_of(avatars)
    monkeypatch.setattr(helper, "_ANSWER_SECONDS", 0.2)
    os.kill(pid, signal.SIGSTOP)
    with pytest.raises(PicturesBusy):
        avatars.draw(GOOD)
    assert not is_there(pid)
    monkeypatch.undo()
    assert avatars.draw(GOOD)[0] == "jpg"


def test_so_many_wait_and_no_more_and_not_for_ever(avatars: Lane, monkeypatch: pytest.MonkeyPatch) -> None:
    pid = process_of(avatars)
    monkeypatch.setattr(lane, "_PATIENCE_SECONDS", 0.3)
    os.kill(pid, signal.SIGSTOP)

    def refusal() -> tuple[str, float]:
        began = time.monotonic()
        try:
            avatars.draw(GOOD)
        except PicturesBusy as busy:
            return str(busy), time.monotonic() - began
        return "drawn", time.monotonic() - began

    with ThreadPoolExecutor(8) as pool:
        waiting = [pool.submit(refusal) for _ in range(8)]
        time.sleep(0.6)
        os.kill(pid, signal.SIGCONT)
        found = [future.result() for future in waiting]
    texts = [text for text, _ in found]
    assert sorted(texts) == ["4 pictures are waiting"] * 4 + ["drawn"] + ["waited too long"] * 3
    assert all(seconds < 0.25 for text, seconds in found if text == "4 pictures are waiting")
    assert PicturesBusy.retry_after


@pytest.mark.slow
def test_what_burns_processor_time_is_ended_by_the_kernel(avatars: Lane, monkeypatch: pytest.MonkeyPatch) -> None:
    """With nothing counted beforehand, as a picture would be that gets past the counting."""
    monkeypatch.setattr(helper, "_PROGRAM", TWIN)
    pid = process_of(avatars)
    began = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    with pytest.raises(Undecodable, match="SIGXCPU"):
        avatars.draw(pictures.jpeg_of_empty_scans(10_000))
    assert not is_there(pid)
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - began < 2.5


@pytest.mark.alone
def test_what_needs_too_much_memory_is_refused(avatars: Lane, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(helper, "_PROGRAM", TWIN)
    pid = process_of(avatars)
    with pytest.raises(Undecodable, match="memory"):
        avatars.draw(pictures.png_that_claims(9000, 9000))
    assert not is_there(pid)
    assert avatars.draw(GOOD)[0] == "jpg"


@pytest.mark.slow
def test_a_large_picture_leaves_no_memory_behind(avatars: Lane) -> None:
    pid = process_of(avatars)
    assert avatars.draw(encoded(Image.new("RGBA", (4000, 4000)), "PNG", compress_level=1))[0] == "jpg"
    assert process_of(avatars) == pid
    pages = int(Path("/proc", str(pid), "statm").read_text().split()[1])
    assert pages * resource.getpagesize() < 48 * 1024 * 1024


def test_without_a_helper_it_is_our_fault(avatars: Lane, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(helper, "_PROGRAM", "authsvc.no_such_program")
    with pytest.raises(PicturesUnavailable, match="ended during its start: 1"):
        avatars.draw(GOOD)
    monkeypatch.setattr(helper.sys, "executable", "/no/such/python")
    with pytest.raises(PicturesUnavailable, match="FileNotFoundError"):
        avatars.draw(GOOD)


@pytest.mark.slow
def test_nothing_stays_open(avatars: Lane) -> None:
    process_of(avatars)

    def descriptors() -> int:
        return len(os.listdir("/proc/self/fd"))

    before = descriptors()
    for _ in range(5):
        os.kill(process_of(avatars), signal.SIGKILL)
    process_of(avatars)
    assert descriptors() == before
