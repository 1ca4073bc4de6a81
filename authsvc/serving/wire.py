"""What gunicorn does differently here: answers leave in one packet, and the heads of requests are small."""

from collections.abc import Callable
from typing import Any

from gunicorn.http.message import Message
from gunicorn.http.wsgi import Response


class _Caught:
    """Collects the bytes that would have been sent."""

    def __init__(self) -> None:
        self.content = b""

    def sendall(self, content: bytes) -> None:
        self.content += content


class _OneSend:
    """Sends the headers of an answer and the first part of its body together; gunicorn would send two packets."""

    send_headers = Response.send_headers
    emit_body = Response._emit_body
    close = Response.close

    @staticmethod
    def hold_headers(response: Any) -> None:
        if not response.headers_sent:
            response.held = _OneSend.caught(response, _OneSend.send_headers)

    @staticmethod
    def send_body(response: Any, data: bytes) -> None:
        body = _OneSend.caught(response, _OneSend.emit_body, data)
        response.sock.sendall(vars(response).pop("held", b"") + body)

    @staticmethod
    def end(response: Any) -> None:
        rest = _OneSend.caught(response, _OneSend.close)
        if content := vars(response).pop("held", b"") + rest:
            response.sock.sendall(content)

    @staticmethod
    def caught(response: Any, send: Callable[..., None], *arguments: bytes) -> bytes:
        sock, response.sock = response.sock, _Caught()
        try:
            send(response, *arguments)
            return bytes(response.sock.content)
        finally:
            response.sock = sock


class _SmallHead:
    """Limits the request headers that gunicorn collects; its own limit is 100 fields of 8 KB.

    gunicorn counts all lines again with every packet: 730 KB cost 65 ms at once, and a millisecond for each further
    byte. A proxy that passes on 8 KB of cookies and 8 KB of token stays well below 64 KB.
    """

    def __set__(self, message: Message, value: int) -> None:
        vars(message)["most"] = min(value, 64 * 1024)

    def __get__(self, message: Message, _: object = None) -> int:
        return int(vars(message)["most"])


def change() -> None:
    """Change gunicorn in this process, once."""
    if Response.send_headers is not _OneSend.hold_headers:
        Response.send_headers = _OneSend.hold_headers
        Response._emit_body = _OneSend.send_body
        Response.close = _OneSend.end
        Message.max_buffer_headers = _SmallHead()
