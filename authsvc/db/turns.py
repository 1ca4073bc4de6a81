"""Decides who writes next. SQLite has one writer at a time and no queue: the next one is whichever asks first.

The writers of one process stand in a line. Processes take turns, and queue in the order in which they came. A turn
lasts up to ten milliseconds, a few transactions, because the next process notices the end of a turn up to a millisecond
late. A waiting writer sleeps, so the other greenlets and threads of a worker continue.

Turns are only about fairness. SQLite's own lock guards the data, so a writer that has waited too long, or cannot queue,
writes without a turn.
"""

import fcntl
import logging
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from authsvc import metrics
from authsvc.errors import ServiceBusy

logger = logging.getLogger(__name__)

# How long a process may keep its turn while its own writers are waiting.
_TURN_SECONDS = 0.01
# The pause between two checks whether it is our turn. gevent cannot sleep for less.
_LOOK_SECONDS = 0.001
# A process that keeps others waiting for longer is stopped, or runs a long transaction that SQLite's lock guards.
_PATIENCE_SECONDS = 1.0
_OPEN = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


class Turns:
    """Lets the threads and greenlets of all processes write one after the other, first come, first served."""

    def __init__(self, file: Path | None) -> None:
        """``file`` is where processes queue; the first one creates it. With None, only this process can write."""
        self._queue = _Queue(file) if file else None
        self._guard = threading.Lock()
        self._waiting: deque[_Gate] = deque()
        self._written: list[_Gate] = []
        self._is_taken = False
        self._ends_at = 0.0

    @contextmanager
    def take(self, seconds: float) -> Iterator[None]:
        """Hold the turn. Raises ServiceBusy if the earlier writers of this process need more than ``seconds``.

        Waiting for other processes takes at most half of the time that is left, and never raises.
        """
        began = time.monotonic()
        give_up = began + seconds
        self._stand_in_line(seconds)
        try:
            if self._queue and not self._queue.is_ours:
                self._queue.wait((give_up - time.monotonic()) / 2)
                self._ends_at = time.monotonic() + _TURN_SECONDS
            metrics.sqlite_turn_seconds.observe(time.monotonic() - began)
            yield
        finally:
            end = self._pass_on()
        if end:
            end.wait(_TURN_SECONDS)

    def _stand_in_line(self, seconds: float) -> None:
        with self._guard:
            if not self._is_taken:
                self._is_taken = True
                return
            gate = _Gate()
            self._waiting.append(gate)
        is_next = False
        try:
            with metrics.sqlite_waiting.track_inprogress():
                is_next = gate.wait(seconds)
        finally:
            if not is_next and not self._step_out(gate):
                self._pass_on()  # the gate was opened while we gave up
        if not is_next:
            raise ServiceBusy("too many transactions are waiting for their turn")

    def _step_out(self, gate: "_Gate") -> bool:
        with self._guard:
            if gate not in self._waiting:
                return False
            self._waiting.remove(gate)
            return True

    def _pass_on(self) -> "_Gate | None":
        """Open the gate of the next writer in line, so that a newcomer cannot slip in.

        Returns a gate that opens when the turn of this process ends, None if it has ended. A writer waits there before
        it continues with the rest of its request. Otherwise all other processes would wait for that work too.
        """
        with self._guard:
            following = self._waiting.popleft() if self._waiting else None
            self._is_taken = following is not None
            end = None
            if self._queue and (following is None or time.monotonic() >= self._ends_at):
                self._queue.leave()
                for gate in self._written:
                    gate.open()
                self._written.clear()
            elif self._queue:
                end = _Gate()
                self._written.append(end)
            if following:
                following.open()
        return end


class _Gate:
    """Lets one waiting thread or greenlet through. A shared lock of gevent's would let a newcomer in before it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()

    def wait(self, seconds: float) -> bool:
        """Return True when the gate is open, False if it stays closed for ``seconds``."""
        return self._lock.acquire(timeout=max(seconds, 0))

    def open(self) -> None:
        """Let through the thread that waits or will wait."""
        self._lock.release()


class _Queue:
    """Queues processes in the order in which they came.

    A process that comes locks one byte of a file, whose number is the current nanosecond. Its turn has come when it can
    also lock all bytes before that one, because then all who came earlier have left. The file stays empty, because
    bytes beyond its end can be locked. The kernel removes the locks of a process that is killed.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: int | None = None
        self._number = self._passed = 0
        self.is_ours = False

    def wait(self, seconds: float) -> None:
        """Take our turn when it comes. Take it anyway after ``seconds`` or one second, or if processes cannot queue."""
        give_up = time.monotonic() + min(seconds, _PATIENCE_SECONDS)
        try:
            is_first = _comes_true(self._come, give_up) and _comes_true(self._is_first, give_up)
            if not is_first and seconds >= _PATIENCE_SECONDS:
                # A stopped process keeps its place. From now on we wait only for processes that come after this.
                self._passed = self._number
        except OSError as error:
            logger.info("processes cannot queue to write: %s", error)
        except BaseException:
            self.leave()
            raise
        self.is_ours = True

    def leave(self) -> None:
        """End our turn, or leave the queue."""
        self.is_ours = False
        if self._file is not None:
            fcntl.lockf(self._file, fcntl.LOCK_UN)

    def _come(self) -> bool:
        """Return False if another process came after the clock was read, and got its turn before we locked the byte."""
        self._number = time.monotonic_ns()
        return self._lock(self._number, 1)

    def _is_first(self) -> bool:
        return self._lock(self._passed, self._number - self._passed)

    def _lock(self, start: int, length: int) -> bool:
        if self._file is None:
            self._file = os.open(self._path, _OPEN, 0o600)
            # It stays open until then, because closing a file removes all locks of the process on it.
            weakref.finalize(self, os.close, self._file)
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, length, start)
        except BlockingIOError:
            return False
        return True


def _comes_true(condition: Callable[[], bool], give_up: float) -> bool:
    if condition():
        return True
    with metrics.sqlite_waiting.track_inprogress():
        while time.monotonic() < give_up:
            time.sleep(_LOOK_SECONDS)
            if condition():
                return True
    return False
