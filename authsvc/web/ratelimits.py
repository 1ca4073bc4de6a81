"""How often anybody may ask, by kind of route: per address, per mini program, per user and per service.

Every route has a kind (``Operation.limited``). Who asks becomes known in steps (the address at once, the mini program
with the body, the user or the service with the credential), and is counted at each; of the kinds in ``_KNOWN_FIRST``
only strangers are counted by their address. What costs WeChat's patience or money is counted in Redis, where there is
one, for all machines; everything else, and all of it while Redis fails, by the workers of each machine together
(``web/countertable.py``).
"""

import logging
import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from flask import current_app

from authsvc.errors import AccountDisabled, NoSuchRoute, NotPermitted, TooManyRequests, Unauthenticated
from authsvc.values.limits import Asker, LimitedKind, Rate
from authsvc.web.access import client_network
from authsvc.web.countertable import CounterTable

logger = logging.getLogger(__name__)

EXTENSION = "authsvc-rate-limits"
# An address may hold many people, and who is known is counted by what they are.
_KNOWN_FIRST: frozenset[LimitedKind] = frozenset({"request", "gateway", "export"})
# What these ask for costs nobody but this machine, and little more than asking Redis: 8 µs here, 45 there. And
# ``/healthz`` waits for nobody.
_COUNTED_HERE: frozenset[LimitedKind] = frozenset({"request", "gateway", "read", "push", "health"})
# Where Redis fails, this machine counts for so long.
_AWAY_SECONDS = 2.0


def at_the_door(kind: LimitedKind, *, knows_callers: bool) -> None:
    """Count a request of the client's address, unless the route will know who calls. Raises TooManyRequests."""
    if not (knows_callers and kind in _KNOWN_FIRST):
        _by_address(kind)


@contextmanager
def counting_strangers(kind: LimitedKind) -> Iterator[None]:
    """Count by address whom the guard inside turns away, unless the door has done so. Raises TooManyRequests."""
    try:
        yield
    except (Unauthenticated, AccountDisabled, NotPermitted, NoSuchRoute):
        if kind in _KNOWN_FIRST:
            _by_address(kind)
        raise


def by_app(kind: LimitedKind, appid: str) -> None:
    """Count a request for a mini program of ours. Raises TooManyRequests."""
    _limits().take(kind, "app", appid)


def by_user(kind: LimitedKind, user_id: int) -> None:
    """Count a request of a signed-in user. Raises TooManyRequests."""
    _limits().take(kind, "user", str(user_id))


def by_service(kind: LimitedKind, name: str) -> None:
    """Count a request of another service, whose credential is good. Raises TooManyRequests."""
    _limits().take(kind, "service", name)


def _by_address(kind: LimitedKind) -> None:
    # None: all that is known is a proxy on this machine, which is everybody.
    if (network := client_network()) is not None:
        _limits().take(kind, "address", network)


def _limits() -> "RateLimits":
    found: RateLimits = current_app.extensions[EXTENSION]
    return found


class CounterAway(Exception):
    """Nobody counts for all machines just now. The text says why, without a host."""


class RateLimits:
    """Counts what was asked in a sliding window, so that nobody gets twice the limit where two windows meet."""

    def __init__(
        self,
        rates: Mapping[LimitedKind, Mapping[Asker, Rate]],
        *,
        folder: Path,
        shared: Callable[[Rate, str, str], float] | None,
        workers: int,
    ) -> None:
        """Hold these rates, and count in a file in ``folder``, or by ``shared`` (``RedisCounter.hit``).

        Where neither works, each of ``workers`` processes counts for itself and grants its share.
        """
        self._rates = {(kind, asker): rate for kind, asked in rates.items() for asker, rate in asked.items()}
        self._workers = workers
        self._open_table = _Once(lambda: _table(folder / "ratelimits"))
        self._shared = shared
        self._shared_away_until = 0.0

    def take(self, kind: LimitedKind, asker: Asker, key: str) -> None:
        """Count one request of ``key``. Raises TooManyRequests, with the seconds until there is room again."""
        rate = self._rates.get((kind, asker))
        if rate is None:
            return
        seconds = self._wait(kind, rate, f"{kind}:{asker}", key)
        if seconds > 0:
            raise TooManyRequests(f"{kind} per {asker}", max(1, math.ceil(seconds)))

    def _wait(self, kind: LimitedKind, rate: Rate, scope: str, key: str) -> float:
        if self._shared is not None and kind not in _COUNTED_HERE and time.monotonic() >= self._shared_away_until:
            try:
                return self._shared(rate, scope, key)
            except CounterAway as reason:
                self._shared_away_until = time.monotonic() + _AWAY_SECONDS
                logger.warning("rate limits: Redis fails (%s), each machine counts for itself", reason)
        table = self._open_table()
        share = rate.requests if table.is_shared else math.ceil(rate.requests / self._workers)
        return table.hit(f"{scope} {rate.requests}/{rate.seconds} {key}", share, rate.seconds)


class _Once:
    """Opens the table when somebody is counted for the first time: commands count nobody."""

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
        logger.warning("rate limits: each worker counts for itself and grants its share (%s: %s)", path, error.strerror)
        return CounterTable(None)
