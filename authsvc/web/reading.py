"""Reading long bodies, and those that come in pieces, without keeping everybody else of the worker waiting."""

import time
from collections.abc import Callable, Iterable
from typing import Any, Protocol

# Not 0: gevent would look for what has arrived elsewhere after fifty such turns only.
_TURN_SECONDS = 1e-6
_LEAST = 16
_MOST = 64 * 1024
# Digits of a length. A body of a login takes no time in one piece; that of a picture is looked through for boundaries.
_SHORT_DIGITS = 5
# A piece that took longer is followed by smaller ones.
_QUICK_SECONDS = 0.001

WsgiApp = Callable[[dict[str, Any], Any], Iterable[bytes]]


class Readable(Protocol):
    """What a WSGI server gives to read a body from (PEP 3333)."""

    def read(self, size: int, /) -> bytes:
        """Return so many bytes, fewer only at the end."""

    def readline(self, size: int, /) -> bytes:
        """Return so many bytes, fewer at the end of a line or of all."""


class PatientStream:
    """A body whose bytes have mostly arrived already, so that nothing else of the worker runs while it is read.

    Each chunk costs gunicorn the same, however little is in it: 16 KB in chunks of one byte take 40 ms, and more when
    each has a long size line. So little is read at a time at first, and everybody has a turn in between.
    """

    def __init__(self, stream: Readable) -> None:
        self._stream = stream
        self._size = _LEAST

    def read(self, size: int = -1) -> bytes:
        """Return at most ``size`` bytes, and fewer while there is more to come; none at the end."""
        time.sleep(_TURN_SECONDS)
        began = time.perf_counter()
        # gunicorn's read() takes in a kilobyte at least.
        take = self._stream.readline if self._size < 1024 else self._stream.read
        piece = take(self._size if size < 0 else min(size, self._size))
        is_quick = time.perf_counter() - began < _QUICK_SECONDS
        self._size = min(self._size * 2, _MOST) if is_quick else _LEAST
        return piece


def patient(app: WsgiApp) -> WsgiApp:
    """Return ``app``, reading every body that is long or comes in chunks through a PatientStream."""

    def wrapped(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if environ.get("HTTP_TRANSFER_ENCODING") or len(environ.get("CONTENT_LENGTH", "")) > _SHORT_DIGITS:
            environ["wsgi.input"] = PatientStream(environ["wsgi.input"])
        return app(environ, start_response)

    return wrapped
