"""Delivers answers to the client, over proper HTTP or as a broken network would.

Broken deliveries take the connection away from the server: they write to the socket themselves and end with a
FIN or a RST. The server passes its socket in the WSGI environment (``SOCKET_KEY``, see ``server.py``).
"""

import base64
import errno
import http
import os
import socket
import struct
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from typing import Any

from flask import Response, request

from authsvc.wxsim.errcodes import TEXTS
from authsvc.wxsim.journal import Call
from authsvc.wxsim.sealing import compact_json

SOCKET_KEY = "wxsim.socket"
MEGABYTE = 1024 * 1024
# JSON may end in any amount of whitespace, so a client without a size limit accepts a padded answer.
_BLANK = b" " * MEGABYTE
_GZIP = 16 + zlib.MAX_WBITS
# Time for the bytes before a RST to reach the reader, because a RST discards what is not sent yet.
_SETTLE_SECONDS = 0.05
_CLOSE_POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Answer:
    """An upstream answer before delivery; ``errcode`` is the one in the body, for the journal."""

    body: bytes
    content_type: str
    errcode: int | None = None
    error_tail: str = ""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


Deliver = Callable[[Answer, Mapping[str, Any], Call], Response]


def plain(answer: Answer, options: Mapping[str, Any], call: Call) -> Response:
    """Send the answer unchanged."""
    _note(answer, call)
    call.finish("answered")
    return _response(answer, answer.body)


def errcode(answer: Answer, options: Mapping[str, Any], call: Call) -> Response:
    """Send an error body: ``errmsg`` verbatim, or WeChat's text for the code with the endpoint's tail."""
    code, text = options["errcode"], options["errmsg"]
    if text is None:
        text = TEXTS.get(code, "unknown error") + answer.error_tail
    body = compact_json({"errcode": code, "errmsg": text}).encode()
    return plain(replace(answer, body=body, errcode=code), options, call)


def raw(answer: Answer, options: Mapping[str, Any], call: Call) -> Response:
    """Send any status, body and headers.

    ``body`` is sent as UTF-8, ``body_base64`` as the decoded bytes.
    """
    body = base64.b64decode(options["body_base64"]) if "body_base64" in options else options.get("body", "").encode()
    made = Answer(body, options["content_type"], None, "", options["status"], options["headers"])
    return plain(made, options, call)


def redirect(answer: Answer, options: Mapping[str, Any], call: Call) -> Response:
    """Send a redirect with an empty body."""
    made = Answer(b"", "text/html", None, "", options["status"], {"Location": options["location"]})
    return plain(made, options, call)


def hang(answer: Answer, options: Mapping[str, Any], call: Call) -> Response:
    """Send nothing, until the client closes or ``seconds`` are over; then close without an answer."""

    def talk(connection: socket.socket) -> str:
        return "client_closed" if _client_closes(connection, options["seconds"]) else "hung_up"

    return _take_over(call, talk)


def drip(answer: Answer, options: Mapping[str, Any], call: Call) -> Response:
    """Send the whole answer, one byte every ``interval`` seconds, from the first header or from the body on."""
    _note(answer, call)

    def talk(connection: socket.socket) -> str:
        slow = answer.body
        if options["from"] == "body":
            connection.sendall(_head(answer))
        else:
            slow = _head(answer) + slow
        for position in range(len(slow)):
            time.sleep(options["interval"])
            connection.sendall(slow[position : position + 1])
        return "answered"

    return _take_over(call, talk)


def cut(answer: Answer, options: Mapping[str, Any], call: Call) -> Response:
    """Announce the full Content-Length, send ``at`` bytes of the body, and close."""

    def talk(connection: socket.socket) -> str:
        connection.sendall(_head(answer) + answer.body[: options["at"]])
        return "hung_up"

    return _take_over(call, talk)


def altered(answer: Answer, options: Mapping[str, Any], call: Call) -> Response:
    """Send the first ``keep`` bytes (None: all) of the body followed by ``append``, as a complete answer."""
    body = answer.body[: options["keep"]] + options.get("append", "").encode()
    return plain(replace(answer, body=body), options, call)


def reset(answer: Answer, options: Mapping[str, Any], call: Call) -> Response:
    """Send ``after_bytes`` of the answer, including headers, and end the connection with a RST."""

    def talk(connection: socket.socket) -> str:
        if first := (_head(answer) + answer.body)[: options["after_bytes"]]:
            connection.sendall(first)
            time.sleep(_SETTLE_SECONDS)
        # With a linger of zero seconds, close() sends RST and not FIN.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return "reset"

    return _take_over(call, talk)


def gzip_bomb(answer: Answer, options: Mapping[str, Any], call: Call) -> Response:
    """Send the answer and ``megabytes`` of whitespace, compressed by gzip to a thousandth."""
    _note(answer, call)
    packer = zlib.compressobj(level=9, wbits=_GZIP)
    packed = [packer.compress(answer.body)]
    for _ in range(options["megabytes"]):
        packed.append(packer.compress(_BLANK))
        time.sleep(0.0001)  # lets other calls run; with 0, gevent would not check for new ones
    packed.append(packer.flush())
    call.finish("answered")
    headers = {**answer.headers, "Content-Encoding": "gzip"}
    return _response(replace(answer, headers=headers), b"".join(packed))


def big(answer: Answer, options: Mapping[str, Any], call: Call) -> Response:
    """Send the answer and ``megabytes`` of whitespace."""
    _note(answer, call)

    def pieces() -> Iterator[bytes]:
        yield answer.body
        for _ in range(options["megabytes"]):
            yield _BLANK
        call.finish("answered")

    length = len(answer.body) + options["megabytes"] * MEGABYTE
    response = _response(answer, pieces())
    response.headers["Content-Length"] = str(length)
    response.call_on_close(lambda: call.finish("client_closed") if call.outcome == "pending" else None)
    return response


def _note(answer: Answer, call: Call) -> None:
    call.http_status, call.errcode = answer.status, answer.errcode


def _response(answer: Answer, body: bytes | Iterator[bytes]) -> Response:
    response = Response(body, status=answer.status)
    response.autocorrect_location_header = False
    response.headers["Content-Type"] = answer.content_type  # as given: werkzeug would add a charset
    response.headers.update(answer.headers)
    return response


def _head(answer: Answer) -> bytes:
    reason = http.HTTPStatus(answer.status).phrase if answer.status in set(http.HTTPStatus) else "Unknown"
    headers = {
        "Connection": "keep-alive",
        "Content-Type": answer.content_type,
        "Date": formatdate(usegmt=True),
        "Content-Length": str(len(answer.body)),
        **answer.headers,
    }
    lines = [f"HTTP/1.1 {answer.status} {reason}", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def _take_over(call: Call, talk: Callable[[socket.socket], str]) -> Response:
    """Let ``talk`` use the client's connection, and close it afterwards. ``talk`` returns the outcome."""
    connection: socket.socket = request.environ[SOCKET_KEY]

    def conversation() -> Iterator[bytes]:
        try:
            outcome = talk(connection)
        except OSError:
            outcome = "client_closed"
        _hang_up(connection)
        call.finish(outcome)
        # The server treats this as a closed client: no answer, no log line, no second use of the socket.
        raise ConnectionResetError(errno.ECONNRESET, "closed on purpose")
        yield b""  # makes this a generator: it runs when the server asks for the body

    return Response(conversation(), direct_passthrough=True)


def _client_closes(connection: socket.socket, seconds: float | None) -> bool:
    """Wait for the client to close; False if ``seconds`` pass first (None: wait forever)."""
    deadline = None if seconds is None else time.monotonic() + seconds
    while deadline is None or time.monotonic() < deadline:
        connection.settimeout(None if deadline is None else max(0.001, deadline - time.monotonic()))
        try:
            if connection.recv(1, socket.MSG_PEEK) == b"":
                return True
        except TimeoutError:
            return False
        time.sleep(_CLOSE_POLL_SECONDS)  # the client sent more instead of closing; check again later
    return False


def _hang_up(connection: socket.socket) -> None:
    """Close the connection now, even if other code holds the socket object.

    The server closes its sockets gracefully. Replacing the file descriptor by an unconnected socket ends the connection
    at once (FIN, or RST with a linger of zero) and leaves the server's object valid.
    """
    with socket.socket() as blank:
        os.dup2(blank.fileno(), connection.fileno())
