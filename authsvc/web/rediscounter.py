"""Counts requests in Redis, for the workers of all machines. Imported only with a Redis."""

import time

from limits import RateLimitItemPerSecond
from limits.errors import StorageError
from limits.storage import RedisStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from authsvc import redispool
from authsvc.connections import deadline
from authsvc.values.limits import Rate
from authsvc.web.ratelimits import CounterAway

# Counting must not delay requests: the limits for one read from Redis, and for its whole answer.
_PATIENCE_SECONDS = 1.0
_ALTOGETHER_SECONDS = 3.0
# As many as a worker has concurrent requests; redis-py's own limit of a hundred would look like a failing Redis.
_MOST_CONNECTIONS = 2000


class RedisCounter:
    """Counts in the Redis at ``url``. Connects on first use, so an unavailable Redis does not prevent a start."""

    def __init__(self, url: str) -> None:
        connections = redispool.pool(url, seconds=_PATIENCE_SECONDS, max_connections=_MOST_CONNECTIONS)
        storage = RedisStorage(url, connections, key_prefix="authsvc:rate", wrap_exceptions=True)
        self._limiter = SlidingWindowCounterRateLimiter(storage)

    def hit(self, rate: Rate, scope: str, key: str) -> float:
        """Count, and return 0; or the seconds to wait. Raises CounterAway."""
        item = RateLimitItemPerSecond(rate.requests, rate.seconds)
        try:
            with deadline(_ALTOGETHER_SECONDS):
                if self._limiter.hit(item, scope, key):
                    return 0
                return max(1.0, self._limiter.get_window_stats(item, scope, key).reset_time - time.time())
        except StorageError as error:
            raise CounterAway(type(error.storage_error).__name__) from error
