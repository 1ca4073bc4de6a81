"""Reads long and chunked bodies without delaying the worker's other requests."""

import time
from collections.abc import Callable, Iterable
from typing import Any, Protocol

# Not 0: gevent would check other sockets only every fifty such turns.
_TURN_SECONDS = 1e-6
_LEAST = 16
_MOST = 64 * 1024
# Number of digits of a length. Reading a login's body at once takes no time; a picture's is searched for boundaries.
_SHORT_DIGITS = 5
# If a piece takes longer than this, the next ones are smaller.
_QUICK_SECONDS = 0.001

WsgiApp = Callable[[dict[str, Any], Any], Iterable[bytes]]


class Readable(Protocol):
    """The input stream of a WSGI server (PEP 3333)."""

    def read(self, size: int, /) -> bytes:
        """Return this many bytes, and fewer only at the end."""

    def readline(self, size: int, /) -> bytes:
        """Return this many bytes, and fewer at the end of a line or of the body."""


class PatientStream:
    """A body that lets other requests run while it is read; its bytes have mostly arrived, so reading never waits.

    Each chunk costs gunicorn the same, however small it is: 16 KB in chunks of one byte take 40 ms, and more with long
    size lines. So it first reads small pieces, and other requests run in between.
    """

    def __init__(self, stream: Readable) -> None:
        self._stream = stream
        self._size = _LEAST

    def read(self, size: int = -1) -> bytes:
        """Return at most ``size`` bytes, possibly fewer before the end; none at the end."""
        time.sleep(_TURN_SECONDS)
        began = time.perf_counter()
        # gunicorn's read() reads at least a kilobyte.
        take = self._stream.readline if self._size < 1024 else self._stream.read
        piece = take(self._size if size < 0 else min(size, self._size))
        is_quick = time.perf_counter() - began < _QUICK_SECONDS
        self._size = min(self._size * 2, _MOST) if is_quick else _LEAST
        return piece


def patient(app: WsgiApp) -> WsgiApp:
    """Return ``app`` with every long or chunked body read through a PatientStream."""

    def wrapped(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if environ.get("HTTP_TRANSFER_ENCODING") or len(environ.get("CONTENT_LENGTH", "")) > _SHORT_DIGITS:
            environ["wsgi.input"] = PatientStream(environ["wsgi.input"])
        return app(environ, start_response)

    return wrapped
