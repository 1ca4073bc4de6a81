"""Access to the use cases for views, and data of every request."""

import re
import secrets
from contextlib import suppress
from operator import itemgetter

from flask import Flask, Response, current_app, g, request
from werkzeug.datastructures import LanguageAccept, MIMEAccept
from werkzeug.exceptions import HTTPException
from werkzeug.http import parse_accept_header

from authsvc import context
from authsvc.networks import is_neighbour, subscriber
from authsvc.services import Services
from authsvc.services.people.avatars import MAX_UPLOAD_BYTES
from authsvc.web.door import UNKNOWN, door

# A picture with its multipart envelope: the largest body that any route accepts.
UPLOAD_BYTES = MAX_UPLOAD_BYTES + 8 * 1024
# How much of a header with preferences is read.
_PREFERENCE_CHARACTERS = 1000
_CHUNKED_REST_BYTES = 256 * 1024
_PAGE, _JSON = "text/html", "application/json"
# Chinese, and the Chinese languages with their own tags (RFC 5646 §4.1.2).
_CHINESE = ("zh", "cmn", "yue", "wuu", "hak", "nan")
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}\Z")


def services() -> Services:
    """Return the use cases that the composition root built."""
    return Services.of(current_app.extensions)


def request_id() -> str:
    """Return the id of this request: a trusted proxy's X-Request-ID if it is well-formed, otherwise our own."""
    if "request_id" not in g:
        given = request.headers.get("X-Request-ID", "")
        g.request_id = given if _REQUEST_ID.match(given) else secrets.token_hex(16)
        context.clear()
        context.request_id.set(g.request_id)
    known: str = g.request_id
    return known


def client_address() -> str | None:
    """Return the client's IP address, or None if only a proxy on this machine, or nothing, is known."""
    address = request.remote_addr
    return None if address is None or address == UNKNOWN or is_neighbour(address) else address


def client_network() -> str | None:
    """Return the client's network, for counting: an IPv4 address or a /64 of IPv6; None as above."""
    address = client_address()
    return None if address is None else subscriber(address)


def user_agent() -> str:
    """Return the client's User-Agent, or an empty text."""
    return request.headers.get("User-Agent", "")


def prefers_english() -> bool:
    """Tell whether this client prefers English; Chinese is the default.

    The highest quality decides (RFC 9110 §12.5.4), and among equals the first one. All variants of Chinese, and of
    English, are treated the same.
    """
    header = request.headers.get("Accept-Language", "")[:_PREFERENCE_CHARACTERS]
    wanted = sorted(parse_accept_header(header, LanguageAccept), key=itemgetter(1), reverse=True)
    refused = {_primary(tag) for tag, quality in wanted if quality == 0}
    for tag, quality in wanted:
        if quality and _primary(tag) in ("en", "*", *_CHINESE):
            return _primary(tag) == "en" or (tag == "*" and "zh" in refused)
    return False


def prefers_json() -> bool:
    """Tell whether this client would rather have JSON than a page."""
    header = request.headers.get("Accept", "")[:_PREFERENCE_CHARACTERS]
    return parse_accept_header(header, MIMEAccept).best_match((_PAGE, _JSON), default=_PAGE) == _JSON


def _primary(tag: str) -> str:
    return tag.partition("-")[0].lower()


def install(app: Flask, trusted_proxies: int) -> None:
    """Give every answer its request id, and headers against caching of tokens and content sniffing.

    ``trusted_proxies`` is how many proxies in front of us append to X-Forwarded-For. Entries of others are ignored, and
    without trusted proxies X-Request-ID is ignored too.
    """
    app.wsgi_app = door(app.wsgi_app, trusted_proxies)  # type: ignore[method-assign, assignment]  # Flask's own way
    app.before_request(_begin)
    app.after_request(_finish)


def _begin() -> None:
    request_id()


def _finish(response: Response) -> Response:
    _read_the_rest()
    headers = response.headers
    headers["X-Request-ID"] = request_id()
    headers["X-Content-Type-Options"] = "nosniff"
    headers.setdefault("Cache-Control", "no-store")
    return response


def _read_the_rest() -> None:
    """Read the rest of a refused upload.

    A connection that is closed with unread bytes is reset, and a proxy that is still sending then never reads our
    answer. A longer body, or a longer chunked one, is not read; its connection is closed (``serving/``).
    """
    most = _CHUNKED_REST_BYTES if "Transfer-Encoding" in request.headers else UPLOAD_BYTES
    if "Transfer-Encoding" in request.headers or 0 < (request.content_length or 0) <= UPLOAD_BYTES:
        request.max_content_length = most
        with suppress(HTTPException):
            while request.stream.read(65536):
                pass
