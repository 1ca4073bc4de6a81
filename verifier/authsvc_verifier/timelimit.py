"""The time limit for a whole fetch: name, addresses, TLS, and an answer that comes byte by byte.

Socket timeouts start again for each wait, and nothing ends a query to a silent name server.
"""

import os
import socket
import threading
import time
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, Self

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

# family, type, protocol, canonical name, address, as from getaddrinfo.
_Address = tuple[int, int, int, str, Any]


class TimeLimit:
    """Ends each fetch of one user after ``seconds`` by shutting the connection down: ``with limit: …``."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self._handle: socket.socket | None = None
        self._timer: threading.Timer | None = None
        self._addresses: Future[list[_Address]] | None = None
        self.is_over = False

    def __enter__(self) -> Self:
        self._ends_at = time.monotonic() + self._seconds
        self.is_over = False
        return self

    def __exit__(self, *_: object) -> None:
        self._let_go()

    def open(self, host: str, port: int, options: Any) -> socket.socket:
        """Return a guarded socket that is connected to a host. Raises OSError."""
        failure: OSError = TimeoutError("no address in time")
        addresses = self._resolve(host, port)
        for number, address in enumerate(addresses):
            try:
                # Each address gets a share of the time, so a dead one does not use up the time of the others.
                opened = _connect(address, max(self._left() / (len(addresses) - number), 0.01), options)
            except OSError as error:
                failure = error
                continue
            opened.settimeout(max(self._left(), 0.01))
            self.guard(opened)
            return opened
        raise failure

    def guard(self, opened: Any) -> None:
        """Shut this connection down when the time is over."""
        self._let_go()
        # A separate handle: TLS takes over the socket, and the number of a closed one is soon reused.
        self._handle = socket.socket(fileno=os.dup(opened.fileno()))
        self._timer = threading.Timer(max(self._left(), 0), self._cut)
        self._timer.daemon = True
        self._timer.start()

    def _left(self) -> float:
        return self._ends_at - time.monotonic()

    def _cut(self) -> None:
        with self._lock:
            if self._handle is not None:
                self.is_over = True
                with suppress(OSError):  # the other side has closed it
                    self._handle.shutdown(socket.SHUT_RDWR)

    def _let_go(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        with self._lock:
            if self._handle is not None:
                self._handle.close()
                self._handle = None

    def _resolve(self, host: str, port: int) -> list[_Address]:
        """Resolve in a thread, which cannot be cancelled: one query at a time, which later fetches wait for."""
        question = self._addresses
        if question is None:
            question = self._addresses = Future()
            threading.Thread(target=_answer, args=(question, host.strip("[]"), port), daemon=True).start()
        try:
            found = question.result(max(self._left(), 0))
        finally:
            if question.done():
                self._addresses = None
        return found


def _answer(question: "Future[list[_Address]]", host: str, port: int) -> None:
    try:
        question.set_result([*socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)])
    except Exception as error:
        question.set_exception(error)


def _connect(address: _Address, seconds: float, options: Any) -> socket.socket:
    family, kind, protocol, _, place = address
    opened = socket.socket(family, kind, protocol)
    try:
        for option in options or ():
            opened.setsockopt(*option)
        opened.settimeout(seconds)
        opened.connect(place)
    except BaseException:
        opened.close()
        raise
    return opened


class _Limited:
    """A mixin for urllib3's connections."""

    limit: TimeLimit
    sock: Any
    socket_options: Any
    port: int
    _dns_host: str

    def _new_conn(self) -> socket.socket:
        return self.limit.open(self._dns_host, self.port, self.socket_options)

    def request(self, *args: Any, **kwargs: Any) -> None:
        if self.sock is not None:  # a connection that is being reused
            self.limit.guard(self.sock)
        super().request(*args, **kwargs)  # type: ignore[misc]


class LimitedAdapter(HTTPAdapter):
    """A ``requests`` transport whose connections obey a limit; for one thread at a time, like the limit."""

    def __init__(self, limit: TimeLimit) -> None:
        self._limit = limit
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        our_limit = self._limit

        class Plain(_Limited, HTTPConnection):
            limit = our_limit

        class Encrypted(_Limited, HTTPSConnection):
            limit = our_limit

        class PlainPool(HTTPConnectionPool):
            ConnectionCls = Plain

        class EncryptedPool(HTTPSConnectionPool):
            ConnectionCls = Encrypted

        self.poolmanager.pool_classes_by_scheme = {"http": PlainPool, "https": EncryptedPool}
