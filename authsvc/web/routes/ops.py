"""Health and metrics for operators, without an envelope."""

from collections.abc import Mapping
from typing import Any, get_args

from flask import Blueprint, Response, request
from marshmallow import Schema, fields, validate

from authsvc import __version__, metrics
from authsvc.services.operator import arrivals
from authsvc.values.operator import DatabaseWord
from authsvc.web import bodies
from authsvc.web.access import client_address, services
from authsvc.web.contracts.native import NATIVE
from authsvc.web.routing import Operation, add
from authsvc.web.who import PUBLIC, Service

ops = Blueprint("ops", __name__)


class Health(Schema):
    """The answer while the process works."""

    status = fields.String(required=True, metadata={"enum": ["ok"]})
    version = fields.String(required=True, metadata={"description": "The version of authsvc", "example": __version__})


class Readiness(Schema):
    """Whether this instance can do its work, with each check by name."""

    status = fields.String(required=True, metadata={"enum": ["ok", "unready"]})
    checks = fields.Dict(keys=fields.String(), values=fields.Boolean(), required=True)
    reasons = fields.Dict(
        keys=fields.String(),
        values=fields.String(validate=validate.OneOf(get_args(DatabaseWord))),
        metadata={"description": "Why a check fails, in one word, if it is known"},
    )


class Arrival(Schema):
    """How the doctor's request arrived."""

    address = fields.String(
        required=True, allow_none=True, metadata={"description": "The client's address, if it is known"}
    )
    forwarded = fields.List(
        fields.String(), required=True, metadata={"description": "The entries of X-Forwarded-For, as they came"}
    )


def _healthz() -> Mapping[str, Any]:
    """Answer 200 while the process works. Does no I/O."""
    return {"status": "ok", "version": __version__}


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


def _arrival() -> Mapping[str, Any]:
    """Tell the doctor of this installation how its request arrived; anybody else gets 404."""
    services().arrivals.check(request.headers.get(arrivals.HEADER, ""))
    entries = request.headers.get("X-Forwarded-For", "").split(",")[:_MOST_ENTRIES]
    return {"address": client_address(), "forwarded": [entry.strip() for entry in entries if entry.strip()]}


_MOST_ENTRIES = 20
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
_ARRIVAL = Operation(
    NATIVE,
    PUBLIC,
    "How a request of the doctor arrived, with its proof",
    Arrival(),
    tag="ops",
    limited="health",
    refuses=(404,),
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
add(ops, "GET", arrivals.PATH, _ARRIVAL, _arrival)
