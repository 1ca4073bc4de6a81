"""Time, handed in so that a test can move it."""

import time


class SystemClock:
    """The machine's wall clock."""

    def now(self) -> float:
        """Seconds since 1970-01-01 UTC."""
        return time.time()
