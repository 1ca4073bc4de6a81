"""Counts the calls to WeChat that fail, for the console: by hour, mini program, endpoint and kind.

A worker counts in memory, and a thread adds that to the database at most every ten seconds. A call, and so a login,
pays for a number in a dictionary and never waits for the database. The last ten seconds of a worker that ends are not
counted.
"""

import logging
import threading
import time
from collections import Counter
from contextlib import suppress

from authsvc import context
from authsvc.clock import DAY, HOUR, SystemClock
from authsvc.db.database import Database
from authsvc.db.queries import wechat_errors
from authsvc.errors import WeChatError
from authsvc.values.wechat import WeChatErrorCount, WeChatErrorKind

logger = logging.getLogger(__name__)

KEPT_SECONDS = 2 * DAY
FLUSH_SECONDS = 10.0
# More kinds in one worker than WeChat has; beyond this, a new kind is not counted until the next flush.
_MOST_KINDS = 1000
_MOST_ERRCODE = 2**31 - 1


class WeChatErrors:
    """Counts failed calls, and tells what was counted. Safe across threads and greenlets."""

    def __init__(self, database: Database, clock: SystemClock, flush_seconds: float = FLUSH_SECONDS) -> None:
        self._database = database
        self._clock = clock
        self._flush_seconds = flush_seconds
        self._lock = threading.Lock()
        self._counted: Counter[tuple[int, WeChatErrorKind]] = Counter()
        self._is_flushing = False
        self._has_failed = False

    def note(self, endpoint: str, error: WeChatError) -> None:
        """Count a failed call of the current request's mini program. Raises nothing, and does no I/O."""
        errcode = error.errcode or 0
        kind = WeChatErrorKind(
            context.appid.get(), endpoint, error.error, errcode if abs(errcode) <= _MOST_ERRCODE else 0
        )
        key = self._hour(), kind
        with self._lock:
            if key in self._counted or len(self._counted) < _MOST_KINDS:
                self._counted[key] += 1
            if self._is_flushing:
                return
            self._is_flushing = True
        try:
            threading.Thread(target=self._flush_until_empty, name="wechat errors", daemon=True).start()
        except RuntimeError:  # no more threads: the next failed call tries again
            self._is_flushing = False

    def of_the_last_day(self) -> list[WeChatErrorCount]:
        """Return what failed in the last 24 hours, most frequent first; raises ServiceBusy or DatabaseUnusable."""
        return self._database.read(wechat_errors.since, self._hour() - DAY + HOUR)

    def by_hour(self) -> list[tuple[int, int]]:
        """Return (beginning in seconds UTC, failed calls) of each of the last 24 hours, oldest first."""
        first = self._hour() - DAY + HOUR
        found = self._database.read(wechat_errors.by_hour, first)
        return [(hour, found.get(hour, 0)) for hour in range(first, first + DAY, HOUR)]

    def flush(self) -> bool:
        """Add what was counted to the database; False if that failed, and it stays counted here. Raises nothing."""
        with self._lock:
            taken, self._counted = self._counted, Counter()
        if not taken:
            return True
        try:
            self._database.run(wechat_errors.add, taken)
        except Exception as error:  # whatever happens here, logins go on
            self._keep(taken)
            if not self._has_failed:
                logger.warning("errors of WeChat are not stored for the console: %s", type(error).__name__)
            self._has_failed = True
            return False
        self._has_failed = False
        return True

    def _keep(self, taken: Counter[tuple[int, WeChatErrorKind]]) -> None:
        oldest = self._hour() - KEPT_SECONDS
        with self._lock:
            for key, calls in taken.items():
                if key[0] >= oldest and (key in self._counted or len(self._counted) < _MOST_KINDS):
                    self._counted[key] += calls

    def _flush_until_empty(self) -> None:
        while True:
            time.sleep(self._flush_seconds)
            with suppress(Exception):
                self.flush()
            with self._lock:
                if not self._counted:
                    self._is_flushing = False
                    return

    def _hour(self) -> int:
        now = self._clock.seconds()
        return now - now % HOUR
