"""How everything else answers while logins are in flight: one request after the other, evenly paced, to each path."""

import http.client
import statistics
import threading
import time
from urllib.parse import urlsplit

# Requests a second, over all paths: enough to see a p99, too few to be a load.
PACE = 50


class Others:
    """Asks the paths in turn until stopped; anything but 200 is an error."""

    def __init__(self, url: str, token: str, paths: tuple[str, ...]) -> None:
        self._host = urlsplit(url).netloc
        self._headers = {"Authorization": f"Bearer {token}"}
        self._ends = threading.Event()
        self._latencies: dict[str, list[float]] = {path: [] for path in paths}
        self.errors = 0
        # Several askers: one that waits for a slow answer must not spare the server the next question.
        self._threads = [threading.Thread(target=self._ask, args=(number,)) for number in range(8)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._ends.set()

    def percentiles(self) -> dict[str, dict[str, float]]:
        """Return p50 and p99 in ms by path, once the last answer is there."""
        for thread in self._threads:
            thread.join()
        return {path: _percentiles(latencies) for path, latencies in self._latencies.items()}

    def _ask(self, number: int) -> None:
        paths = list(self._latencies)
        period = len(self._threads) / PACE
        due = time.monotonic() + period * number / len(self._threads)
        turn = number
        while not self._ends.wait(max(due - time.monotonic(), 0)):
            # A connection each: kept ones would all stay with the worker that took them.
            self._one(paths[turn % len(paths)])
            turn += 1
            due = max(due + period, time.monotonic() - 1)

    def _one(self, path: str) -> None:
        begun = time.perf_counter()
        connection = http.client.HTTPConnection(self._host, timeout=30)
        try:
            connection.request("GET", path, headers=self._headers)
            answer = connection.getresponse()
            answer.read()
            self.errors += answer.status != 200
        except OSError:
            self.errors += 1
        finally:
            connection.close()
        self._latencies[path].append(1000 * (time.perf_counter() - begun))


def _percentiles(latencies: list[float]) -> dict[str, float]:
    if len(latencies) < 2:
        return {"p50": float("nan"), "p99": float("nan"), "asked": len(latencies)}
    cuts = statistics.quantiles(latencies, n=100)
    return {"p50": round(cuts[49], 1), "p99": round(cuts[98], 1), "asked": len(latencies)}
