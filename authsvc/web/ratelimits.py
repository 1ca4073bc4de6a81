"""How often anybody may ask, by kind of route: per address, per mini program and per user.

Counted in Redis where there is one. Without it, and while it fails, each worker counts for itself and grants its share.
Who asks becomes known in steps (the address at once, the mini program with the body, the user with the token), and
is counted at each.
"""

import logging
import math
import time
from collections.abc import Mapping

from flask import current_app
from limits import RateLimitItem, RateLimitItemPerSecond
from limits.errors import StorageError
from limits.storage import MemoryStorage, RedisStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from authsvc.errors import TooManyRequests
from authsvc.types import Asker, LimitedKind, Rate
from authsvc.web.access import client_network

logger = logging.getLogger(__name__)

EXTENSION = "authsvc-rate-limits"
# Counting must not keep anybody waiting: so long for Redis, and then memory counts for a while.
_PATIENCE_SECONDS = 1.0
_AWAY_SECONDS = 2.0
_MOST_CONNECTIONS = 2000


def by_address(kind: LimitedKind | None) -> None:
    """Count a request of the client's address. Raises TooManyRequests."""
    # None: all that is known is a proxy on this machine, which is everybody.
    if kind is not None and (network := client_network()) is not None:
        _limits().take(kind, "address", network)


def by_app(kind: LimitedKind, appid: str) -> None:
    """Count a request for a mini program. Raises TooManyRequests."""
    _limits().take(kind, "app", appid)


def by_user(kind: LimitedKind | None, user_id: int) -> None:
    """Count a request of a signed-in user. Raises TooManyRequests."""
    if kind is not None:
        _limits().take(kind, "user", str(user_id))


def _limits() -> "RateLimits":
    found: RateLimits = current_app.extensions[EXTENSION]
    return found


class RateLimits:
    """Counts what was asked in a sliding window, so that nobody gets twice the limit where two windows meet."""

    def __init__(
        self, rates: Mapping[LimitedKind, Mapping[Asker, Rate]], *, redis_url: str | None, workers: int
    ) -> None:
        """Hold these rates; where one of ``workers`` processes counts for itself, it grants its share of them."""
        self._rates = {(kind, asker): rate for kind, asked in rates.items() for asker, rate in asked.items()}
        self._workers = workers
        self._memory = SlidingWindowCounterRateLimiter(MemoryStorage())
        self._redis = None if redis_url is None else SlidingWindowCounterRateLimiter(_redis(redis_url))
        self._redis_away_until = 0.0
        if self._redis is None and workers > 1:
            logger.info(
                "rate limits: each of %d workers counts for itself and grants its share (no REDIS_URL)", workers
            )

    def take(self, kind: LimitedKind, asker: Asker, key: str) -> None:
        """Count one request of ``key``. Raises TooManyRequests, with the seconds until there is room again."""
        rate = self._rates.get((kind, asker))
        if rate is None:
            return
        seconds = self._wait(rate, f"{kind}:{asker}", key)
        if seconds:
            raise TooManyRequests(f"{kind} per {asker}", seconds)

    def _wait(self, rate: Rate, scope: str, key: str) -> int:
        if self._redis is not None and time.monotonic() >= self._redis_away_until:
            try:
                return _hit(self._redis, RateLimitItemPerSecond(rate.requests, rate.seconds), scope, key)
            except StorageError as error:
                self._redis_away_until = time.monotonic() + _AWAY_SECONDS
                logger.warning(
                    "rate limits: Redis fails (%s), workers count for themselves", type(error.storage_error).__name__
                )
        share = math.ceil(rate.requests / self._workers)
        return _hit(self._memory, RateLimitItemPerSecond(share, rate.seconds), scope, key)


def _hit(counter: SlidingWindowCounterRateLimiter, item: RateLimitItem, scope: str, key: str) -> int:
    """Count, and return 0; or the seconds to wait."""
    if counter.hit(item, scope, key):
        return 0
    return max(1, math.ceil(counter.get_window_stats(item, scope, key).reset_time - time.time()))


def _redis(url: str) -> RedisStorage:
    return RedisStorage(
        url,
        key_prefix="authsvc:rate",
        wrap_exceptions=True,
        socket_timeout=_PATIENCE_SECONDS,
        socket_connect_timeout=_PATIENCE_SECONDS,
        # As many as a worker has requests at once; redis-py's own limit of a hundred would count as a Redis that fails.
        max_connections=_MOST_CONNECTIONS,
    )
