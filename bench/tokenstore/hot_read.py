"""What a look at the access_token costs: in the process, and when the shelf is looked at (once a second).

``python bench/tokenstore/hot_read.py [REDIS_URL]`` prints microseconds per call, the median of five runs.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from authsvc.clock import SystemClock
from authsvc.tokenstore.fileshelf import FileShelf
from authsvc.tokenstore.redisshelf import RedisShelf
from authsvc.tokenstore.shelf import Shelf
from authsvc.tokenstore.store import AccessTokenStore
from authsvc.values.wechat import FetchedToken, MiniProgram

APP = MiniProgram("wx51a051a000000001", "a-secret-of-no-use", "bench")
RUNS = 5


def microseconds(work: Callable[[], object], calls: int) -> float:
    """Return the median over the runs of one call's time."""
    figures = []
    for _ in range(RUNS):
        began = time.perf_counter()
        for _ in range(calls):
            work()
        figures.append((time.perf_counter() - began) / calls * 1e6)
    return statistics.median(figures)


def measure(name: str, shelf: Shelf) -> None:
    store = AccessTokenStore(shelf, lambda app: FetchedToken("70_" + "a" * 133, 7200), SystemClock())
    store.get(APP)

    def look() -> None:
        store._held[APP.appid].look_at = 0.0
        store.get(APP)

    def start_anew() -> None:
        AccessTokenStore(shelf, lambda app: FetchedToken("70_", 1), SystemClock()).get(APP)

    print(f"{name:<6} hot read      {microseconds(lambda: store.get(APP), 200_000):8.2f} µs")
    print(f"{name:<6} look at shelf {microseconds(look, 2_000):8.1f} µs   (once a second per process)")
    print(f"{name:<6} first of all  {microseconds(start_anew, 500):8.1f} µs   (a process that knows nothing yet)")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        measure("file", FileShelf(Path(folder) / "access_token", SystemClock()))
    if len(sys.argv) > 1:
        measure("redis", RedisShelf(sys.argv[1], SystemClock(), prefix="authsvc-bench"))
