"""Keeps a slow or dead WeChat from slowing down everything else: a cap on concurrent calls, and a circuit breaker.

pybreaker holds its lock while the guarded call runs, so only one call at a time could run (1.4.1); therefore this is
our own. State is per process.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from authsvc import metrics
from authsvc.errors import WeChatBadAnswer, WeChatNoAnswer, WeChatOverloaded, WeChatUnreachable

_FAILURES_TO_OPEN = 8
_OPEN_SECONDS = 5.0


class Bulkhead:
    """Allows ``limit`` concurrent calls; further calls are refused immediately instead of queueing."""

    def __init__(self, limit: int) -> None:
        self._lock = threading.Lock()
        self._free = limit
        metrics.watch(metrics.wechat_in_flight, lambda: limit - self._free)

    @contextmanager
    def place(self) -> Iterator[None]:
        """Occupy a place for the duration; raises WeChatOverloaded if there is none."""
        with self._lock:
            if self._free == 0:
                raise WeChatOverloaded("too many calls to WeChat in flight")
            self._free -= 1
        try:
            yield
        finally:
            with self._lock:
                self._free += 1


class Breaker:
    """Opens after eight failures in a row, allows one probe every five seconds, closes when a probe succeeds.

    A failure is an unreachable, silent or failing (HTTP 5xx, 429) WeChat. Business errors, however many, prove that
    WeChat works. An unusable answer proves nothing and does not count.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failures = 0
        self._next_probe = 0.0

    @contextmanager
    def watch(self) -> Iterator[None]:
        """Count the outcome of the call inside; while open, raises WeChatOverloaded instead of calling."""
        self._admit()
        try:
            yield
        except (WeChatUnreachable, WeChatNoAnswer) as error:
            if not isinstance(error, WeChatBadAnswer):
                self._failed()
            raise
        except BaseException:
            self._succeeded()
            raise
        self._succeeded()

    def _admit(self) -> None:
        if self._failures < _FAILURES_TO_OPEN:
            return
        with self._lock:
            now = time.monotonic()
            if now < self._next_probe:
                raise WeChatOverloaded("WeChat has been failing; not called")
            self._next_probe = now + _OPEN_SECONDS

    def _failed(self) -> None:
        with self._lock:
            self._failures += 1
            if self._failures == _FAILURES_TO_OPEN:
                self._next_probe = time.monotonic() + _OPEN_SECONDS
                metrics.wechat_breakers_open.set(1)

    def _succeeded(self) -> None:
        if self._failures:
            with self._lock:
                self._failures = 0
                metrics.wechat_breakers_open.set(0)
