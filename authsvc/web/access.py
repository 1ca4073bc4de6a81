"""How views reach the use cases, and what every request has."""

import re
import secrets

from flask import Flask, Response, current_app, g, request

from authsvc import context
from authsvc.services import Services

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}\Z")


def services() -> Services:
    """Return the use cases that the composition root built."""
    built: Services = current_app.extensions["authsvc"]
    return built


def request_id() -> str:
    """Return the id of this request: the caller's X-Request-ID when it is well-formed, else one of ours."""
    if "request_id" not in g:
        given = request.headers.get("X-Request-ID", "")
        g.request_id = given if _REQUEST_ID.match(given) else secrets.token_hex(16)
        context.request_id.set(g.request_id)
    known: str = g.request_id
    return known


def install(app: Flask) -> None:
    """Give every answer its request id, and headers that keep tokens out of caches and sniffers."""
    app.before_request(_begin)
    app.after_request(_finish)


def _begin() -> None:
    request_id()


def _finish(response: Response) -> Response:
    headers = response.headers
    headers["X-Request-ID"] = request_id()
    headers["X-Content-Type-Options"] = "nosniff"
    headers.setdefault("Cache-Control", "no-store")
    return response
