"""The journal: each call that reached the simulated WeChat, recorded on arrival, so hanging calls are included."""

import itertools
import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# About 1 KB each; a long load test must not fill the memory of a small machine.
REMEMBERED_CALLS = 100_000
SECRET_NAMES = frozenset({"secret", "appsecret", "access_token"})


@dataclass
class Call:
    """One call. ``outcome`` is pending, answered, client_closed, hung_up (we closed early) or reset."""

    id: int
    method: str
    path: str
    query: dict[str, Any]
    body: Any
    code: str | None
    client: str
    simulator_time: float  # Unix seconds of the clock that a test can change
    secret_ok: bool | None = None  # None: the call has no secret or no known appid
    arrived_at: float = field(default_factory=time.time)
    outcome: str = "pending"
    http_status: int | None = None
    errcode: int | None = None
    consumed: bool = False  # whether this call used up its single-use code
    fault: str | None = None
    duration: float | None = None
    _started: float = field(default_factory=time.monotonic, repr=False)

    def finish(self, outcome: str) -> None:
        """Record how the call ended, and when."""
        self.outcome = outcome
        self.duration = round(time.monotonic() - self._started, 4)

    def render(self) -> dict[str, Any]:
        """Return the entry as JSON values; times are Unix seconds, ``duration`` is seconds or null."""
        return {name: value for name, value in vars(self).items() if not name.startswith("_")}


class Journal:
    """The calls in the order of arrival. Safe across threads."""

    def __init__(self) -> None:
        """Start empty."""
        self._lock = threading.Lock()
        self._calls: deque[Call] = deque(maxlen=REMEMBERED_CALLS)
        self._numbers = itertools.count(1)

    def arrive(self, **facts: Any) -> Call:
        """Record a call that has just arrived; ``query`` and ``body`` must already be masked."""
        with self._lock:
            self._calls.append(call := Call(id=next(self._numbers), **facts))
            return call

    def find(self, path: str | None = None, code: str | None = None, outcome: str | None = None) -> list[Call]:
        """Return the calls that match all given filters."""
        wanted = {"path": path, "code": code, "outcome": outcome}.items()
        with self._lock:
            calls = list(self._calls)
        return [call for call in calls if all(value in (None, getattr(call, name)) for name, value in wanted)]

    def clear(self) -> None:
        """Remove all calls."""
        with self._lock:
            self._calls.clear()


def masked(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``fields`` with secrets and tokens replaced by asterisks."""
    return {name: "***" if name in SECRET_NAMES else value for name, value in fields.items()}
