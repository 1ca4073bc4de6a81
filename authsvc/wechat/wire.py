"""One request and its answer over a kept connection: writes bytes, and parses the answer with httptools.

There is nothing in between. ``http.client`` parses headers like those of an e-mail, and urllib3 builds a response
around a stream. That took a fifth of a login's CPU, and nothing here reads a header (figures: docs/decisions.md).
"""

import weakref
from collections.abc import Mapping
from typing import Any

import httptools

from authsvc import metrics

_READ_BYTES = 64 * 1024
_MOST_HEAD_BYTES = 64 * 1024


class Unusable(Exception):
    """The answer is longer than its reader accepts, or was cut off within its body. The text says which."""


class BrokenOff(Exception):
    """There is no answer: the server closed before the body, or does not speak HTTP. The text repeats nothing of it."""


class Wire:
    """Connections to one address. Each serves one request at a time, and the most recently used one is taken first.

    ``pool`` creates them: a urllib3 pool whose connections obey the deadline (``DeadlineAdapter``).
    """

    def __init__(self, pool: Any, headers: Mapping[str, str]) -> None:
        """``headers`` are sent with every request."""
        self._pool = pool
        self._idle: list[Any] = []
        weakref.finalize(self, _close, self._idle)
        default_port = 443 if pool.scheme == "https" else 80
        host = f"[{pool.host}]" if ":" in pool.host else pool.host
        every = {"Host": host if pool.port in (None, default_port) else f"{host}:{pool.port}", **headers}
        self._head = "".join(f"{name}: {value}\r\n" for name, value in every.items())

    def exchange(
        self, method: str, target: str, body: bytes | None, *, seconds: float, most_bytes: int
    ) -> tuple[int, bytes]:
        """Send a request (a body is JSON) and return the status and body of its answer, undecoded.

        A new connection is made within ``seconds``. Raises NotConnected (nothing was sent), Unusable, BrokenOff, or
        OSError (TimeoutError at the deadline).
        """
        connection = self._take()
        try:
            sock = connection.ready(seconds)
            sock.sendall(self._request(method, target, body))
            answer = _Answer(most_bytes)
            answer.read(sock)
        except BaseException:
            _drop(connection)
            raise
        if answer.is_last:
            _drop(connection)
        else:
            self._idle.append(connection)
        return answer.status, b"".join(answer.parts)

    def _take(self) -> Any:
        try:
            return self._idle.pop()
        except IndexError:  # asked before, another thread might take the last one in between
            made = self._pool._new_conn()
            metrics.wechat_connections.inc()
            return made

    def _request(self, method: str, target: str, body: bytes | None) -> bytes:
        head = f"{method} {target} HTTP/1.1\r\n{self._head}"
        if body is None:
            return f"{head}\r\n".encode("ascii")
        length = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        return f"{head}{length}".encode("ascii") + body


def _close(connections: list[Any]) -> None:
    for connection in connections:
        _drop(connection)


def _drop(connection: Any) -> None:
    metrics.wechat_connections.dec()
    connection.close()


class _Answer:
    """The callbacks of the parser, with the names that httptools requires."""

    def __init__(self, most_bytes: int) -> None:
        self.status = 0
        self.parts: list[bytes] = []
        self.is_last = False
        self._most_bytes = most_bytes
        self._length = 0
        self._has_length = False
        self._is_head_over = False
        self._is_complete = False
        self._parser = httptools.HttpResponseParser(self)

    def read(self, sock: Any) -> None:
        """Read until the answer is complete. Raises Unusable, BrokenOff, OSError."""
        try:
            self._read(sock)
        finally:
            # It holds this object's methods: a cycle, which would stay in memory until the garbage collector finds it.
            del self._parser

    def _read(self, sock: Any) -> None:
        head_bytes = 0
        while not self._is_complete:
            received = sock.recv(_READ_BYTES)
            if not received:
                return self._end()
            head_bytes += 0 if self._is_head_over else len(received)
            try:
                self._parser.feed_data(received)
            except httptools.HttpParserError as error:
                if self._is_complete:
                    self.is_last = True
                    return None
                if self._length > self._most_bytes:
                    raise Unusable(f"more than {self._most_bytes} bytes") from None
                raise BrokenOff(type(error).__name__) from None
            if head_bytes > _MOST_HEAD_BYTES and not self._is_head_over:
                raise BrokenOff("headers without end")
        return None

    def _end(self) -> None:
        """The server has closed: this ends an answer without a length, and cuts off any other."""
        if self._has_length and self.parts:
            raise Unusable("cut off within its body")
        if self._has_length or not self._is_head_over:
            raise BrokenOff("closed")
        self.is_last = True

    def on_message_begin(self) -> None:
        # Data after a complete answer was not requested: it is not read, and the connection is not used again.
        self.is_last = self._is_complete

    def on_header(self, name: bytes, _value: bytes) -> None:
        if name.lower() in (b"content-length", b"transfer-encoding"):
            self._has_length = True

    def on_headers_complete(self) -> None:
        if self._is_complete:
            raise BrokenOff("a second answer")
        self.status = self._parser.get_status_code()
        # A 1xx answer only announces another one, so it is ignored.
        self._is_head_over = self.status >= 200
        if not self._is_head_over:
            self._has_length = False

    def on_body(self, part: bytes) -> None:
        self._length += len(part)
        if self._length > self._most_bytes:
            raise Unusable(f"more than {self._most_bytes} bytes")
        self.parts.append(part)

    def on_message_complete(self) -> None:
        if self._is_head_over:
            self._is_complete = True
            self.is_last = not self._parser.should_keep_alive()
