"""Time, passed in so that a test can change it."""

import time
from datetime import date, timedelta

HOUR, DAY = 3600, 86400  # in seconds
# China's clocks are ahead of UTC by this, in every season.
CHINA = 8 * HOUR


_FIRST_DAY = date(1970, 1, 1)


def iso_day(day: int) -> str:
    """Return a day (days since 1970) as 2027-03-31."""
    return (_FIRST_DAY + timedelta(days=day)).isoformat()


def give_way() -> None:
    """Let other requests of this worker run. Call this between two pieces of long work.

    gevent does not check sockets at ``sleep(0)``: beside pieces of 5 ms, requests then waited 450 ms, and 20 ms with
    this.
    """
    time.sleep(0.0001)


class SystemClock:
    """The machine's clocks: the wall clock, which may be set, and the monotonic clock."""

    def now(self) -> float:
        """Seconds since 1970-01-01 UTC."""
        return time.time()

    def seconds(self) -> int:
        """Whole seconds since 1970-01-01 UTC, as used in tables and tokens."""
        return int(self.now())

    def monotonic(self) -> float:
        """Seconds since an arbitrary moment. This clock is never set, so use it to measure durations."""
        return time.monotonic()
