"""How views reach the use cases, and what every request has."""

import re
import secrets
import time
from contextlib import suppress
from operator import itemgetter
from typing import Any

from flask import Flask, Response, current_app, g, request
from werkzeug.exceptions import HTTPException
from werkzeug.middleware.proxy_fix import ProxyFix

from authsvc import context
from authsvc.networks import subscriber
from authsvc.services import Services
from authsvc.services.avatars import MAX_UPLOAD_BYTES

# A picture, and what multipart puts around it: the largest body that any address takes.
UPLOAD_BYTES = MAX_UPLOAD_BYTES + 8 * 1024
# More than the JSON of any route.
_LONG_BODY_BYTES = 64 * 1024
_LOOPBACK = {None, "127.0.0.1", "::1"}
# Chinese, and the languages of the family that are tagged by themselves (RFC 5646 §4.1.2).
_CHINESE = ("zh", "cmn", "yue", "wuu", "hak", "nan")
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


def client_address() -> str | None:
    """Return the client's IP address, or None when all that is known is a proxy on this machine."""
    address = request.remote_addr
    return None if address in _LOOPBACK else address


def client_network() -> str | None:
    """Return what the client's subscriber holds, for counting: an IPv4 address or a /64 of IPv6; None as above."""
    address = client_address()
    return None if address is None else subscriber(address)


def user_agent() -> str:
    """Return what the client says it is; empty when it says nothing."""
    return request.headers.get("User-Agent", "")


def prefers_english() -> bool:
    """Tell whether this client wants English; Chinese is the default.

    The best quality decides (RFC 9110 §12.5.4), and of equals the first named. Which Chinese or which English is all
    the same: what we have of either is the closest.
    """
    wanted = sorted(request.accept_languages, key=itemgetter(1), reverse=True)
    refused = {_primary(tag) for tag, quality in wanted if quality == 0}
    for tag, quality in wanted:
        if quality and _primary(tag) in ("en", "*", *_CHINESE):
            return _primary(tag) == "en" or (tag == "*" and "zh" in refused)
    return False


def _primary(tag: str) -> str:
    return tag.partition("-")[0].lower()


def install(app: Flask, trusted_proxies: int) -> None:
    """Give every answer its request id, and headers that keep tokens out of caches and sniffers.

    ``trusted_proxies`` is how many proxies in front of us append to X-Forwarded-For; what others wrote there is not
    believed.
    """
    if trusted_proxies:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=trusted_proxies)  # type: ignore[method-assign]  # Flask's own way
    app.before_request(_begin)
    app.after_request(_finish)


class _TakingTurns:
    """A long body that lets other requests go on between its pieces.

    Where the sender is faster than we are, reading never waits, and what never waits holds gevent's loop: ten
    milliseconds for 2 MB, and eight times that when eight of them arrive.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def read(self, size: int = -1) -> bytes:
        time.sleep(0)
        content: bytes = self._stream.read(size)
        return content


def _begin() -> None:
    request_id()
    if (request.content_length or 0) > _LONG_BODY_BYTES:
        request.environ["wsgi.input"] = _TakingTurns(request.environ["wsgi.input"])


def _finish(response: Response) -> Response:
    _read_the_rest()
    headers = response.headers
    headers["X-Request-ID"] = request_id()
    headers["X-Content-Type-Options"] = "nosniff"
    headers.setdefault("Cache-Control", "no-store")
    return response


def _read_the_rest() -> None:
    """Take in what a refused upload still sends.

    A connection that is closed on unread bytes is reset, and a proxy that is still sending then never reads our answer.
    """
    if 0 < (request.content_length or 0) <= UPLOAD_BYTES:
        request.max_content_length = UPLOAD_BYTES
        with suppress(HTTPException):
            while request.stream.read(65536):
                pass
