"""Counters that all workers of one machine share, in a file of fixed size that no requests can make grow.

A counter has a sliding window: the count of the previous window is weighted by the part of it that is still within
reach. The file is a table of buckets with ``_WAYS`` places each, mapped into the memory of every worker. A counter is
identified by a keyed hash of its name, and only that is stored. In a full bucket, the next counter takes an expired
place, or else the place with the lowest count. So a flood from many addresses displaces its own counters, and not those
near their limit.
"""

import fcntl
import hashlib
import mmap
import os
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_MAGIC = b"authsvc counters 1\n"
_SEED_BYTES = 32
_HEADER_BYTES = 4096
_BUCKETS = 16384
_WAYS = 8
# A place: the hash (0: free), the second in which it expires, and the counts of this window and the previous one.
_BUCKET = struct.Struct("<" + "QIII" * _WAYS)
_PLACE = struct.Struct("<QIII")
TABLE_BYTES = _HEADER_BYTES + _BUCKETS * _BUCKET.size
_MOST = 2**32 - 1
_CREATE = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
# A holder needs two microseconds, or some milliseconds if the system runs another process meanwhile. A stopped holder
# must not stop the others, so a count may be lost then.
_PATIENCE_SECONDS = 0.03


class CounterTable:
    """Counts by name. If no shared file is possible, each worker counts alone (``is_shared``)."""

    def __init__(self, path: Path | None, clock: Callable[[], float] = time.time) -> None:
        """Open the table at ``path``, which is created if needed, or one in this process's memory. Raises OSError."""
        self.is_shared = path is not None
        self._clock = clock
        self._turn = threading.Lock()
        self._file = None if path is None else _open(path)
        self._memory = mmap.mmap(-1 if self._file is None else self._file, TABLE_BYTES)
        begun = len(_MAGIC)
        self._seed = self._memory[begun : begun + _SEED_BYTES] if self.is_shared else os.urandom(_SEED_BYTES)

    def hit(self, name: str, limit: int, seconds: int) -> float:
        """Count one of at most ``limit`` within ``seconds``; return 0, or the seconds until one is allowed."""
        digest = hashlib.blake2b(name.encode("utf-8", "surrogatepass"), key=self._seed, digest_size=12).digest()
        bucket = _HEADER_BYTES + int.from_bytes(digest[8:], "little") % _BUCKETS * _BUCKET.size
        mark = int.from_bytes(digest[:8], "little") or 1
        with self._turn, self._alone_with(bucket):
            now = self._clock()
            place, current, previous = self._find(bucket, mark, now, seconds)
            into = now % seconds
            if previous * (1 - into / seconds) + current >= limit:
                return _wait(limit, seconds, into, current, previous)
            until = int(now - into) + 2 * seconds
            _PLACE.pack_into(self._memory, bucket + place, mark, min(until, _MOST), current + 1, previous)
            return 0.0

    def _find(self, bucket: int, mark: int, now: float, seconds: int) -> tuple[int, int, int]:
        """Return the place of a counter in its bucket, and its counts in this window and the previous one."""
        held = _BUCKET.unpack_from(self._memory, bucket)
        if mark in held[::4]:
            number = 4 * held[::4].index(mark)
            _, until, current, previous = held[number : number + 4]
            windows_ago = (int(now - now % seconds) + 2 * seconds - until) // seconds
            counts = {0: (current, previous), 1: (0, current)}.get(windows_ago, (0, 0))
            return number // 4 * _PLACE.size, *counts
        worth = [0 if held[n + 1] <= now else held[n + 2] + held[n + 3] for n in range(0, 4 * _WAYS, 4)]
        return worth.index(min(worth)) * _PLACE.size, 0, 0

    @contextmanager
    def _alone_with(self, bucket: int) -> Iterator[None]:
        """Lock a bucket against other workers. The system releases the lock if this process dies."""
        if self._file is None:
            yield
            return
        is_held, until = self._lock(bucket, fcntl.LOCK_EX | fcntl.LOCK_NB), time.monotonic() + _PATIENCE_SECONDS
        while not is_held and time.monotonic() < until:
            os.sched_yield()  # not sleep, which under gevent would switch to another greenlet
            is_held = self._lock(bucket, fcntl.LOCK_EX | fcntl.LOCK_NB)
        try:
            yield
        finally:
            if is_held:
                self._lock(bucket, fcntl.LOCK_UN)

    def _lock(self, bucket: int, how: int) -> bool:
        assert self._file is not None  # noqa: S101 (asked by _alone_with)
        try:
            fcntl.lockf(self._file, how, _BUCKET.size, bucket)
        except OSError:
            return False
        return True


def _wait(limit: int, seconds: int, into: float, current: int, previous: int) -> float:
    """Return the seconds until one more is allowed; the previous count decreases linearly."""
    if current < limit:  # previous is not 0, or one more would be allowed
        return max(seconds * (1 - (limit - current) / previous) - into, 0) or 1.0
    return seconds - into + seconds * (1 - limit / current)


def _open(path: Path) -> int:
    """Return a descriptor of the table's file; the first worker creates it. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    for _ in range(3):
        descriptor = os.open(path, _CREATE, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if _is_ready(descriptor):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        finally:
            with suppress(OSError):
                fcntl.flock(descriptor, fcntl.LOCK_UN)
        # Other workers may have mapped an existing file, so it is never truncated or overwritten.
        os.close(descriptor)
        path.unlink(missing_ok=True)
    raise OSError(f"{path} is not a table of counters")


def _is_ready(descriptor: int) -> bool:
    """Fill an empty file; False if the file is not such a table."""
    if os.fstat(descriptor).st_size == 0:
        # Allocate the disk space, because counting in a page without disk space would kill the process.
        os.posix_fallocate(descriptor, 0, TABLE_BYTES)
        os.pwrite(descriptor, _MAGIC + os.urandom(_SEED_BYTES), 0)
        return True
    return os.fstat(descriptor).st_size == TABLE_BYTES and os.pread(descriptor, len(_MAGIC), 0) == _MAGIC
