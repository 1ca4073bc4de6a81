"""The Prometheus metrics: names and labels in one place.

No label contains user data, and labels have few values, so the number of series does not grow with the users. Under
gunicorn the workers write to files below ``PROMETHEUS_MULTIPROC_DIR`` (``serving/``), and any of them returns the sum
of all.
"""

import os

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

CONTENT_TYPE = CONTENT_TYPE_LATEST
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

_registry = CollectorRegistry()

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
phone_calls = Counter(
    "authsvc_phone_calls",
    "Codes of the phone button by outcome; WeChat bills those that it answered.",
    ("outcome",),
    registry=_registry,
)
database_faults = Counter(
    "authsvc_database_faults",
    "Transactions that failed or ran again because of the database, by word (docs/metrics.md).",
    ("word",),
    registry=_registry,
)
pictures = Counter(
    "authsvc_pictures",
    "Processed pictures by kind (avatar, code) and outcome: drawn, refused, or the name of an error in docs/errors.md.",
    ("kind", "outcome"),
    registry=_registry,
)
pushes = Counter("authsvc_pushes", "Messages that WeChat pushed, by event.", ("event",), registry=_registry)


def exposition() -> bytes:
    """Return the metrics of all workers, in Prometheus' text format."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return generate_latest(_registry)
    everybody = CollectorRegistry()
    MultiProcessCollector(everybody)  # type: ignore[no-untyped-call]
    return generate_latest(everybody)
