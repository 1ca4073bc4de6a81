"""The Prometheus metrics: names and labels in one place.

No label contains user data, and labels have few values, so the number of series does not grow with the users. Under
gunicorn the workers write to files below ``PROMETHEUS_MULTIPROC_DIR`` (``serving/``), and any of them returns the sum
of all. A gauge says how its workers' values become one: the sum over the workers that live, or the newest value.

A login pays little: ``…_of`` remember the series of labels, because looking one up takes longer than counting, and
gauges that change all the time are looked at once a second instead of being written at every change.
"""

import os
import platform
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from typing import Literal, get_args

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from authsvc import __version__
from authsvc.values.operator import DatabaseWord

CONTENT_TYPE = CONTENT_TYPE_LATEST
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
# A call to WeChat ends within five seconds.
_WECHAT_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0, 3.0, 5.0)
# A writer of SQLite waits at most 4.5 seconds for its turn.
_TURN_SECONDS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
# Outcomes that somebody is called for. Their series exist from the start, because Prometheus sees an increase only
# between two values.
_WECHAT_ALARMS = ("wx_misconfigured", "wx_quota_exhausted", "wechat_unavailable", "wechat_no_answer")
_PHONE_ALARMS = ("answered", "phone_budget_exhausted", "phone_calls_stopped")

Part = Literal["rate_limits", "access_tokens"]

_registry = CollectorRegistry()

build_info = Gauge(
    "authsvc_build_info",
    "1, with the versions of authsvc and Python and the kind of database as labels.",
    ("version", "python", "database"),
    registry=_registry,
    multiprocess_mode="livemax",
)
workers = Gauge("authsvc_workers", "Workers that serve requests.", registry=_registry, multiprocess_mode="livesum")
degraded_workers = Gauge(
    "authsvc_degraded_workers",
    "Workers whose store fails, by part: rate_limits (each machine counts alone), access_tokens (only in memory).",
    ("part",),
    registry=_registry,
    multiprocess_mode="livesum",
)
requests = Counter(
    "authsvc_requests",
    "Requests by route (method and pattern, never the path) and class of status.",
    ("route", "status"),
    registry=_registry,
)
request_seconds = Histogram(
    "authsvc_request_seconds",
    "Duration of requests by kind of route.",
    ("kind",),
    buckets=_SECONDS,
    registry=_registry,
)
wechat_calls = Counter(
    "authsvc_wechat_calls",
    "Calls to WeChat by endpoint and outcome: ok, or the name of an error in docs/errors.md.",
    ("endpoint", "outcome"),
    registry=_registry,
)
wechat_seconds = Histogram(
    "authsvc_wechat_seconds",
    "Duration of calls to WeChat by endpoint, a second try included.",
    ("endpoint",),
    buckets=_WECHAT_SECONDS,
    registry=_registry,
)
wechat_in_flight = Gauge(
    "authsvc_wechat_in_flight",
    "Calls to WeChat at this moment.",
    registry=_registry,
    multiprocess_mode="livesum",
)
wechat_in_flight_limit = Gauge(
    "authsvc_wechat_in_flight_limit",
    "Calls to WeChat that all workers together allow at once; further ones are refused.",
    registry=_registry,
    multiprocess_mode="livesum",
)
wechat_connections = Gauge(
    "authsvc_wechat_connections",
    "Connections to WeChat that are in use or kept for the next call; none are counted through WX_PROXY.",
    registry=_registry,
    multiprocess_mode="livesum",
)
wechat_breakers_open = Gauge(
    "authsvc_wechat_breakers_open",
    "Workers that do not call WeChat at the moment because it has been failing.",
    registry=_registry,
    multiprocess_mode="livesum",
)
access_token_fetched = Gauge(
    "authsvc_access_token_fetched_timestamp_seconds",
    "When the access_token in use was fetched from WeChat, in seconds since 1970, by mini program.",
    ("app",),
    registry=_registry,
    multiprocess_mode="mostrecent",
)
access_token_expiry = Gauge(
    "authsvc_access_token_expiry_timestamp_seconds",
    "When the access_token in use expires, in seconds since 1970, by mini program.",
    ("app",),
    registry=_registry,
    multiprocess_mode="mostrecent",
)
phone_calls = Counter(
    "authsvc_phone_calls",
    "Codes of the phone button by outcome; WeChat bills those that it answered.",
    ("outcome",),
    registry=_registry,
)
database_connections_in_use = Gauge(
    "authsvc_database_connections_in_use",
    "Connections to the database that are in use at this moment.",
    registry=_registry,
    multiprocess_mode="livesum",
)
database_connections_limit = Gauge(
    "authsvc_database_connections_limit",
    "Connections to the database that all workers together may open.",
    registry=_registry,
    multiprocess_mode="livesum",
)
database_faults = Counter(
    "authsvc_database_faults",
    "Transactions that failed or ran again because of the database, by word (docs/metrics.md).",
    ("word",),
    registry=_registry,
)
sqlite_turn_seconds = Histogram(
    "authsvc_sqlite_turn_seconds",
    "How long writing transactions on SQLite waited for their turn.",
    buckets=_TURN_SECONDS,
    registry=_registry,
)
sqlite_waiting = Gauge(
    "authsvc_sqlite_waiting",
    "Writing transactions on SQLite that wait for their turn at this moment.",
    registry=_registry,
    multiprocess_mode="livesum",
)
pictures = Counter(
    "authsvc_pictures",
    "Processed pictures by kind (avatar, code) and outcome: drawn, refused, or the name of an error in docs/errors.md.",
    ("kind", "outcome"),
    registry=_registry,
)
pushes = Counter("authsvc_pushes", "Messages that WeChat pushed, by event.", ("event",), registry=_registry)

requests_of = cache(requests.labels)
request_seconds_of = cache(request_seconds.labels)
wechat_calls_of = cache(wechat_calls.labels)
wechat_seconds_of = cache(wechat_seconds.labels)

_LOOK_SECONDS = 1.0
_watched: dict[Gauge, Callable[[], float]] = {}


@dataclass(frozen=True, slots=True)
class Worker:
    """What a worker says of itself: the kind of its database, its limits, and the endpoints of WeChat that it calls."""

    database: str
    connections: int
    calls: int
    endpoints: tuple[str, ...]


def begin(worker: Worker) -> None:
    """Announce a worker, and create the series whose first increase must not be missed."""
    build_info.labels(__version__, platform.python_version(), worker.database).set(1)
    workers.set(1)
    for part in get_args(Part):
        note_store(part, fails=False)
    database_connections_limit.set(worker.connections)
    wechat_in_flight_limit.set(worker.calls)
    for endpoint in worker.endpoints:
        wechat_seconds_of(endpoint)
        _create(wechat_calls, ((endpoint, outcome) for outcome in ("ok", *_WECHAT_ALARMS)))
    _create(database_faults, ((word,) for word in get_args(DatabaseWord)))
    _create(phone_calls, ((outcome,) for outcome in _PHONE_ALARMS))
    _create(pictures, ((kind, outcome) for kind in ("avatar", "code") for outcome in ("drawn", "pictures_busy")))
    _create(pushes, [("other",)])


def note_store(part: Part, *, fails: bool) -> None:
    """Note whether the store of a part of this worker fails."""
    degraded_workers.labels(part).set(int(fails))


def _create(counter: Counter, series: Iterable[tuple[str, ...]]) -> None:
    for labels in series:
        counter.labels(*labels)


def watch(gauge: Gauge, value: Callable[[], float]) -> None:
    """Let ``gauge`` have what ``value`` returns; a process has one source for each."""
    _watched[gauge] = value


def keep_watching() -> None:
    """Look at the watched values once a second from now on, in a worker."""
    threading.Thread(target=_look_forever, name="metrics", daemon=True).start()


def _look_forever() -> None:
    while True:
        _look()
        time.sleep(_LOOK_SECONDS)


def _look() -> None:
    for gauge, value in _watched.items():
        gauge.set(value())


def exposition() -> bytes:
    """Return the metrics of all workers, in Prometheus' text format; the others' watched values are a second old."""
    _look()
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return generate_latest(_registry)
    everybody = CollectorRegistry()
    MultiProcessCollector(everybody)  # type: ignore[no-untyped-call]
    return generate_latest(everybody)
