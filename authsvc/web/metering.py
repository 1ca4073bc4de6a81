"""Counts every request by its declared route."""

import time

from flask import Flask, Response, g, request

from authsvc import context, metrics
from authsvc.web.routing import operation_of


def install(app: Flask) -> None:
    """Count each request, with its duration, when it is answered."""
    app.before_request(_begin)
    app.after_request(_finish)


def _begin() -> None:
    g.began = time.perf_counter()


def _finish(response: Response) -> Response:
    rule, operation = request.url_rule, operation_of(request.endpoint)
    # A path without a route is the caller's text and must not become a label.
    route = f"{request.method} {rule.rule}" if rule is not None else "none"
    request.environ[context.ROUTE] = route
    if operation is not None:
        request.environ[context.CONTRACT] = operation.contract.name
    metrics.requests_of(route, f"{response.status_code // 100}xx").inc()
    kind = "other" if operation is None else operation.tag
    metrics.request_seconds_of(kind).observe(time.perf_counter() - g.began)
    return response
