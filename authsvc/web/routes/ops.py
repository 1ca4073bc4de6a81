"""Health and metrics, for those who run the service. Never wrapped in an envelope."""

from typing import get_args

from flask import Blueprint, Response
from marshmallow import Schema, fields, validate

from authsvc import metrics
from authsvc.values.operator import DatabaseWord
from authsvc.web import bodies, guards
from authsvc.web.access import services
from authsvc.web.contracts.native import NATIVE
from authsvc.web.routing import Operation, describe

ops = Blueprint("ops", __name__)


class Health(Schema):
    """The process answers."""

    status = fields.String(required=True, metadata={"enum": ["ok"]})


class Readiness(Schema):
    """Whether this instance can do its work, and each condition of it by name."""

    status = fields.String(required=True, metadata={"enum": ["ok", "unready"]})
    checks = fields.Dict(keys=fields.String(), values=fields.Boolean(), required=True)
    reasons = fields.Dict(
        keys=fields.String(),
        values=fields.String(validate=validate.OneOf(get_args(DatabaseWord))),
        metadata={"description": "Why a check fails, in one word; only where one is known"},
    )


@ops.get("/healthz")
@describe(Operation(NATIVE, "Whether the process answers", Health(), tag="ops", limited="health"))
def healthz() -> Response:
    """200 while the process answers. Does no I/O."""
    return bodies.write({"status": "ok"})


@ops.get("/readyz")
@describe(
    Operation(NATIVE, "Whether this instance can do its work", Readiness(), tag="ops", also=(503,), limited="health")
)
def readyz() -> Response:
    """200 when this instance can do its work, else 503; either way with every check by name."""
    readiness = services().health.readiness()
    if all(readiness.checks.values()):
        return bodies.write({"status": "ok", "checks": readiness.checks})
    reasons = {"reasons": readiness.reasons} if readiness.reasons else {}
    return bodies.write({"status": "unready", "checks": readiness.checks, **reasons}, 503)


@ops.get("/metrics")
@describe(
    Operation(
        NATIVE,
        "Counters of all workers, with a service credential",
        {"type": "string", "description": "Prometheus' text format"},
        bearer=True,
        tag="ops",
        media="text/plain",
    )
)
def prometheus() -> Response:
    """Everything that ``authsvc/metrics.py`` counts, for services with the scope ``metrics``."""
    guards.service("metrics")
    return Response(metrics.exposition(), content_type=metrics.CONTENT_TYPE)
