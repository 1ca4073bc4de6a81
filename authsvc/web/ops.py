"""Health, for those who run the service. Never wrapped in an envelope."""

from flask import Blueprint, Response

from authsvc.web import bodies
from authsvc.web.access import services

ops = Blueprint("ops", __name__)


@ops.get("/healthz")
def healthz() -> Response:
    """200 while the process answers. Does no I/O."""
    return bodies.write({"status": "ok"})


@ops.get("/readyz")
def readyz() -> Response:
    """200 when this instance can do its work, else 503; either way with every check by name."""
    checks = services().health.checks()
    ready = all(checks.values())
    return bodies.write({"status": "ok" if ready else "unready", "checks": checks}, 200 if ready else 503)
