"""Time, handed in so that a test can move it."""

import time


class SystemClock:
    """The machine's clocks: one that tells the time and may be set, one that only counts."""

    def now(self) -> float:
        """Seconds since 1970-01-01 UTC."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds since some moment; never set, so the one to measure durations with."""
        return time.monotonic()
