"""The shelf of several machines: three keys per mini program in Redis.

The names of the keys contain the AppID and nothing secret. Anybody who can read this Redis can read the record. Only
Redis counts expiry times, so the machines' clocks need not agree.
"""

import logging
import secrets
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

from redis import Redis
from redis.exceptions import RedisError

from authsvc import redispool
from authsvc.clock import SystemClock
from authsvc.connections import deadline
from authsvc.tokenstore.shelf import (
    MAX_RECORD_BYTES,
    Failure,
    Record,
    ShelfUnavailable,
    Unfit,
    failure_text,
    read_failure,
    read_record,
    record_text,
)

logger = logging.getLogger(__name__)

T = TypeVar("T")

# A holder renews its lease three times per term. If it dies, the next holder waits for the rest of the term.
LEASE_SECONDS = 3.0
_POLL_SECONDS = 0.03
# How long a caller with a token waits for Redis, and how long a caller without one. A Redis that answers byte by byte
# is given up after three times as long in total.
_HURRY_SECONDS = 0.1
_PATIENT_SECONDS = 1.0
_ALTOGETHER = 3
# After a failure, Redis is not called for this long, and the store continues from memory.
_AWAY_SECONDS = 2.0

# The lock may already be ours, if the answer to the first try was lost and the connection retries.
_TAKE = """
if redis.call('set', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) or redis.call('get', KEYS[1]) == ARGV[1] then
    return 1
end
return 0
"""
_EXTEND = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('pexpire', KEYS[1], ARGV[2]) end return 0"
_RELEASE = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end return 0"
# A holder that was frozen past its lease must not overwrite what its successor wrote.
_WRITE = """
if redis.call('get', KEYS[1]) == ARGV[1] then
    redis.call('set', KEYS[2], ARGV[2], 'PX', ARGV[3])
    return 1
end
return 0
"""


class RedisShelf:
    """Stores records in the Redis at ``url`` (``redis://``, ``rediss://`` or ``unix://``)."""

    name = "redis"

    def __init__(self, url: str, clock: SystemClock, prefix: str = "authsvc") -> None:
        """Connects on first use, so an unavailable Redis does not prevent a start."""
        self._hurried = _client(url, _HURRY_SECONDS)
        self._patient = _client(url, _PATIENT_SECONDS)
        self._clock = clock
        self._prefix = prefix
        self._away_until = 0.0
        self._leases: dict[str, _Lease] = {}
        self._unfit: set[str] = set()

    def read(self, appid: str, *, hurry: bool) -> Record | None:
        """Return the record, with the remaining lifetime that Redis reports for its key."""
        client = self._hurried if hurry else self._patient
        key = self._key(appid, "access_token")

        def ask() -> tuple[Any, Any]:
            pipeline = client.pipeline(transaction=False)
            pipeline.getrange(key, 0, MAX_RECORD_BYTES)
            pipeline.pttl(key)
            text, milliseconds = pipeline.execute()
            return text, milliseconds

        text, milliseconds = self._ask(ask, _HURRY_SECONDS if hurry else _PATIENT_SECONDS)
        if not text:
            return None
        try:
            if milliseconds < 0:
                raise Unfit("it never expires")
            record = read_record(appid, text, self._clock.now(), milliseconds / 1000)
        except Unfit as reason:
            self._warn_once(key, str(reason))
            return None
        self._unfit.discard(key)
        return record

    def write(self, appid: str, record: Record) -> None:
        """Set the record, with its lifetime, if the lock is still ours."""
        lease = self._leases.get(appid)
        if lease is None:
            raise ShelfUnavailable("no lock to write under")
        text = record_text(appid, record, self._clock.now())
        keys = (lease.key, self._key(appid, "access_token"))
        arguments = (lease.owner, text, max(1, int(record.remaining * 1000)))
        if not self._ask(lambda: self._patient.eval(_WRITE, 2, *keys, *arguments)):
            raise ShelfUnavailable("the lock ran out before the write")

    def read_failure(self, appid: str) -> Failure | None:
        """Return the last failed fetch, until Redis drops it."""
        key = self._key(appid, "failure")
        text = self._ask(lambda: self._patient.getrange(key, 0, MAX_RECORD_BYTES))
        if not text:
            return None
        try:
            return read_failure(appid, str(text), self._clock.now(), shelf_forgets=True)
        except Unfit as reason:
            self._warn_once(key, str(reason))
            return None

    def write_failure(self, appid: str, failure: Failure, seconds: float) -> None:
        """Remember a failed fetch for ``seconds``."""
        text = failure_text(appid, failure, self._clock.now(), seconds)
        self._ask(lambda: self._patient.set(self._key(appid, "failure"), text, px=int(seconds * 1000)))

    def forget_failure(self, appid: str) -> None:
        """Forget the last failed fetch."""
        self._ask(lambda: self._patient.delete(self._key(appid, "failure")))

    def lock(self, appid: str, seconds: float) -> Callable[[], None] | None:
        """Take a lease and renew it until it is released; it ends by itself three seconds after its holder died."""
        key, owner = self._key(appid, "lock"), secrets.token_hex(16)
        give_up = time.monotonic() + seconds
        while not self._ask(lambda: self._patient.eval(_TAKE, 1, key, owner, int(LEASE_SECONDS * 1000))):
            if time.monotonic() + _POLL_SECONDS > give_up:
                return None
            time.sleep(_POLL_SECONDS)
        lease = self._leases[appid] = _Lease(self._patient, key, owner)

        def release() -> None:
            if self._leases.get(appid) is lease:
                del self._leases[appid]
            lease.end()

        return release

    def _key(self, appid: str, what: str) -> str:
        # The braces put all keys of one app into one slot of a Redis cluster, which the scripts need.
        return f"{self._prefix}:{{{appid}}}:{what}"

    def _ask(self, question: Callable[[], T], seconds: float = _PATIENT_SECONDS) -> T:
        """Call Redis, unless it has just failed.

        Its error texts may contain host names, so only the type is passed on.
        """
        if time.monotonic() < self._away_until:
            raise ShelfUnavailable("it failed a moment ago")
        try:
            with deadline(seconds * _ALTOGETHER):
                return question()
        except (RedisError, OSError) as error:
            self._away_until = time.monotonic() + _AWAY_SECONDS
            raise ShelfUnavailable(type(error).__name__) from None

    def _warn_once(self, key: str, reason: str) -> None:
        if key not in self._unfit:
            self._unfit.add(key)
            logger.warning("%s in Redis is not used and will be replaced: %s", key, reason)


class _Lease:
    """A lock that we hold, renewed in the background until it is released."""

    def __init__(self, client: Redis, key: str, owner: str) -> None:
        self.key = key
        self.owner = owner
        self._client = client
        self._over = threading.Event()
        threading.Thread(target=self._renew, name="access_token lease", daemon=True).start()

    def _renew(self) -> None:
        while not self._over.wait(LEASE_SECONDS / 3):
            try:
                with deadline(_PATIENT_SECONDS * _ALTOGETHER):
                    if not self._client.eval(_EXTEND, 1, self.key, self.owner, int(LEASE_SECONDS * 1000)):
                        return
            except (RedisError, OSError):
                continue

    def end(self) -> None:
        self._over.set()
        try:
            with deadline(_PATIENT_SECONDS * _ALTOGETHER):
                self._client.eval(_RELEASE, 1, self.key, self.owner)
        except (RedisError, OSError) as error:
            logger.info("a lock in Redis could not be released and will expire: %s", type(error).__name__)


def _client(url: str, seconds: float) -> Redis:
    return Redis(connection_pool=redispool.pool(url, seconds=seconds, decode_responses=True))
