"""Rate limits by kind of route: per address, per mini program, per user, per service and per operator.

Every route has a kind (``Operation.limited``). The caller becomes known in steps (the address at once, the mini program
with the body, the user or the service with the credential), and each step counts. For the kinds in ``_KNOWN_FIRST``,
only unauthenticated callers are counted by address. Requests that use WeChat's quotas or cost money are counted in
Redis, if there is one, for all machines. Everything else, and everything while Redis fails, is counted by the workers
of each machine together (``web/countertable.py``).
"""

import logging
import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from flask import current_app

from authsvc import metrics
from authsvc.errors import AccountDisabled, NoSuchRoute, NotPermitted, TooManyRequests, Unauthenticated
from authsvc.values.limits import Asker, LimitedKind, Rate
from authsvc.web.access import client_network
from authsvc.web.countertable import CounterTable

logger = logging.getLogger(__name__)

EXTENSION = "authsvc-rate-limits"
# Many people may share an address, and known callers are counted by user or service.
_KNOWN_FIRST: frozenset[LimitedKind] = frozenset({"request", "gateway", "export", "operator", "directory"})
# These cost only this machine's time, and little more than a call to Redis: a count takes 8 µs here, 45 µs there. And
# ``/healthz`` must not wait.
_COUNTED_HERE: frozenset[LimitedKind] = frozenset({"request", "gateway", "read", "push", "health"})
# How long this machine counts alone after Redis has failed.
_AWAY_SECONDS = 2.0


def at_the_door(kind: LimitedKind, *, knows_callers: bool) -> None:
    """Count a request by the client's address, unless the route will identify the caller. Raises TooManyRequests."""
    if not (knows_callers and kind in _KNOWN_FIRST):
        _by_address(kind)


@contextmanager
def counting_strangers(kind: LimitedKind) -> Iterator[None]:
    """Count by address callers that the guard refuses, unless they were counted before. Raises TooManyRequests."""
    try:
        yield
    except (Unauthenticated, AccountDisabled, NotPermitted, NoSuchRoute):
        if kind in _KNOWN_FIRST:
            _by_address(kind)
        raise


def by_app(kind: LimitedKind, appid: str) -> None:
    """Count a request by its mini program. Raises TooManyRequests."""
    _limits().take(kind, "app", appid)


def by_user(kind: LimitedKind, user_id: int) -> None:
    """Count a request by its signed-in user. Raises TooManyRequests."""
    _limits().take(kind, "user", str(user_id))


def by_service(kind: LimitedKind, name: str) -> None:
    """Count a request by its service, whose credential is valid. Raises TooManyRequests."""
    _limits().take(kind, "service", name)


def by_operator(kind: LimitedKind, name: str) -> None:
    """Count a request by its operator, who is known. Raises TooManyRequests."""
    _limits().take(kind, "operator", name)


def _by_address(kind: LimitedKind) -> None:
    # None: only a proxy on this machine is known, which could be anybody.
    if (network := client_network()) is not None:
        _limits().take(kind, "address", network)


def _limits() -> "RateLimits":
    found: RateLimits = current_app.extensions[EXTENSION]
    return found


class CounterAway(Exception):
    """The shared counter is not available at the moment. The text says why, without a host."""


class RateLimits:
    """Counts requests in a sliding window, so that nobody gets twice the limit at the border of two windows."""

    def __init__(
        self,
        rates: Mapping[LimitedKind, Mapping[Asker, Rate]],
        *,
        folder: Path,
        shared: Callable[[Rate, str, str], float] | None,
        workers: int,
    ) -> None:
        """Use these rates, and count in a file in ``folder``, or with ``shared`` (``RedisCounter.hit``).

        If neither works, each of ``workers`` processes counts alone and allows its share.
        """
        self._rates = {(kind, asker): rate for kind, asked in rates.items() for asker, rate in asked.items()}
        self._workers = workers
        self._open_table = _Once(lambda: _table(folder / "ratelimits"))
        self._shared = shared
        self._shared_away_until = 0.0

    def take(self, kind: LimitedKind, asker: Asker, key: str) -> None:
        """Count one request of ``key``. Raises TooManyRequests, with the seconds until one is allowed."""
        rate = self._rates.get((kind, asker))
        if rate is None:
            return
        seconds = self._wait(kind, rate, f"{kind}:{asker}", key)
        if seconds > 0:
            raise TooManyRequests(f"{kind} per {asker}", max(1, math.ceil(seconds)))

    def _wait(self, kind: LimitedKind, rate: Rate, scope: str, key: str) -> float:
        if self._shared is not None and kind not in _COUNTED_HERE and time.monotonic() >= self._shared_away_until:
            try:
                seconds = self._shared(rate, scope, key)
            except CounterAway as reason:
                self._shared_away_until = time.monotonic() + _AWAY_SECONDS
                logger.warning("rate limits: Redis fails (%s); each machine counts alone", reason)
                metrics.note_store("rate_limits", fails=True)
            else:
                if self._shared_away_until:
                    self._shared_away_until = 0.0
                    metrics.note_store("rate_limits", fails=False)
                return seconds
        table = self._open_table()
        share = rate.requests if table.is_shared else math.ceil(rate.requests / self._workers)
        return table.hit(f"{scope} {rate.requests}/{rate.seconds} {key}", share, rate.seconds)


class _Once:
    """Opens the table at the first count, because commands do not count."""

    def __init__(self, make: Callable[[], CounterTable]) -> None:
        self._make = make
        self._made: CounterTable | None = None
        self._turn = threading.Lock()

    def __call__(self) -> CounterTable:
        if self._made is None:
            with self._turn:
                self._made = self._made or self._make()
        return self._made


def _table(path: Path) -> CounterTable:
    try:
        return CounterTable(path)
    except OSError as error:
        logger.warning("rate limits: each worker counts alone and allows its share (%s: %s)", path, error.strerror)
        return CounterTable(None)
