"""Redis, if it is configured: reachable, and writable."""

import secrets
from collections.abc import Iterator

from redis import Redis
from redis.exceptions import AuthenticationError, NoPermissionError, OutOfMemoryError, ReadOnlyError, RedisError
from redis.exceptions import TimeoutError as TimeoutOfRedis

from authsvc import redispool
from authsvc.connections import deadline
from authsvc.doctor.case import Case
from authsvc.doctor.findings import Line, ok, wrong

_SECONDS = 2.0
_ALTOGETHER_SECONDS = 5.0
_LIFE_MILLISECONDS = 2000
_CHECK_LINE = "until it works, each machine stores access_tokens and counts requests alone"
# What tokenstore and the rate limits do: set with a lifetime, read, and delete in a script.
_SCRIPT = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end return 0"


def usable(case: Case) -> Iterator[Line]:
    """Yield whether it takes a key, which is deleted again at once and would otherwise live for two seconds."""
    url = case.settings.redis_url
    if url is None:
        yield ok("not configured: access_tokens and rate limits are kept in files, which suits one machine")
        return
    client = Redis(connection_pool=redispool.pool(url, seconds=_SECONDS))
    key, value = f"authsvc:doctor:{secrets.token_hex(8)}", "1"
    try:
        with deadline(_ALTOGETHER_SECONDS):
            client.set(key, value, px=_LIFE_MILLISECONDS)
            is_kept = client.eval(_SCRIPT, 1, key, value) == 1
    except (RedisError, OSError) as error:
        yield _failed(error)
    else:
        yield (
            ok("it can be read and written")
            if is_kept
            else wrong("it lost a key within a moment", "check its memory limit (maxmemory, maxmemory-policy)")
        )
    finally:
        client.close()


def _failed(error: Exception) -> Line:
    says = f"Redis cannot be used; {_CHECK_LINE}"
    match error:
        case redispool.Unreachable():
            return wrong(f"{says}: {error}", "check that it runs, and check host and port in REDIS_URL")
        case AuthenticationError():
            return wrong(f"{says}: it refuses the password", "correct user and password in REDIS_URL")
        case ReadOnlyError():
            return wrong(f"{says}: it is a read-only replica", "name the primary in REDIS_URL")
        case NoPermissionError():
            return wrong(
                f"{says}: the user lacks a permission", "allow it get, set, del, eval and authsvc:* (ACL SETUSER)"
            )
        case OutOfMemoryError():
            return wrong(f"{says}: its memory is full", "raise maxmemory")
        case TimeoutError() | TimeoutOfRedis():
            return wrong(f"{says}: it does not answer in time", "look for a command that blocks it, or restart it")
        case _:  # their texts contain host names
            return wrong(f"{says}: {type(error).__name__}", "check that REDIS_URL names a Redis, and look into its log")
