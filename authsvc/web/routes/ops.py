"""Health and metrics for operators, without an envelope."""

from collections.abc import Mapping
from typing import Any, get_args

from flask import Blueprint, Response
from marshmallow import Schema, fields, validate

from authsvc import metrics
from authsvc.values.operator import DatabaseWord
from authsvc.web import bodies
from authsvc.web.access import services
from authsvc.web.contracts.native import NATIVE
from authsvc.web.routing import Operation, add
from authsvc.web.who import PUBLIC, Service

ops = Blueprint("ops", __name__)


class Health(Schema):
    """The answer while the process works."""

    status = fields.String(required=True, metadata={"enum": ["ok"]})


class Readiness(Schema):
    """Whether this instance can do its work, with each check by name."""

    status = fields.String(required=True, metadata={"enum": ["ok", "unready"]})
    checks = fields.Dict(keys=fields.String(), values=fields.Boolean(), required=True)
    reasons = fields.Dict(
        keys=fields.String(),
        values=fields.String(validate=validate.OneOf(get_args(DatabaseWord))),
        metadata={"description": "Why a check fails, in one word, if it is known"},
    )


def _healthz() -> Mapping[str, Any]:
    """Answer 200 while the process works. Does no I/O."""
    return {"status": "ok"}


def _readyz() -> Mapping[str, Any] | Response:
    """Answer 200 if this instance can do its work, otherwise 503; in both cases with every check by name."""
    readiness = services().health.readiness()
    if all(readiness.checks.values()):
        return {"status": "ok", "checks": readiness.checks}
    reasons = {"reasons": readiness.reasons} if readiness.reasons else {}
    return bodies.write({"status": "unready", "checks": readiness.checks, **reasons}, 503)


def _metrics(service: str) -> Response:
    """Return all metrics of ``authsvc/metrics.py``."""
    return Response(metrics.exposition(), content_type=metrics.CONTENT_TYPE)


_TEXT = {"type": "string", "description": "Prometheus' text format"}
_HEALTH = Operation(NATIVE, PUBLIC, "Check whether the process answers", Health(), tag="ops", limited="health")
_READINESS = Operation(
    NATIVE,
    PUBLIC,
    "Check whether this instance can do its work",
    Readiness(),
    tag="ops",
    also=(503,),
    limited="health",
)
_METRICS = Operation(
    NATIVE,
    Service("metrics", hidden=True),
    "Metrics of all workers, with a service credential",
    _TEXT,
    tag="ops",
    media="text/plain",
)
add(ops, "GET", "/healthz", _HEALTH, _healthz)
add(ops, "GET", "/readyz", _READINESS, _readyz)
add(ops, "GET", "/metrics", _METRICS, _metrics)
