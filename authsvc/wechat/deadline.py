"""A total deadline for an HTTP call, which ``requests`` does not have.

Its timeout counts from byte to byte: a server that drips one byte every half second outlasts any (1 s, 1 s) by an
order of magnitude. Here every read from the socket is given only what is left of the call's time.
"""

import io
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.util import wait_for_read

# A pooled connection that has been idle this long is opened anew: its far end may have closed it, and a request
# lost on a dead connection could not be repeated (the code in it may be spent).
_IDLE_SECONDS = 30.0


class _Call(threading.local):
    ends_at = float("inf")


_call = _Call()


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Let every read of the calls inside fail with TimeoutError once ``seconds`` have passed."""
    _call.ends_at = time.monotonic() + seconds
    try:
        yield
    finally:
        _call.ends_at = float("inf")


def remaining() -> float:
    """Seconds left of the call that runs in this thread."""
    return _call.ends_at - time.monotonic()


class _TimedReader(io.RawIOBase):
    def __init__(self, sock: Any, raw: Any) -> None:
        self._sock = sock
        self._raw = raw

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int | None:
        left = remaining()
        if left <= 0:
            raise TimeoutError("deadline of the call")
        if left != float("inf"):
            self._sock.settimeout(left)
        count: int | None = self._raw.readinto(buffer)
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _TimedSocket:
    """A socket whose readers obey the deadline; everything else goes to the real one."""

    def __init__(self, sock: Any) -> None:
        self._sock = sock

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_TimedReader(self._sock, self._sock.makefile(mode, buffering=0)))

    def is_silent(self) -> bool:
        """True while the far end has neither closed nor sent anything unasked."""
        if not isinstance(self._sock, socket.socket):  # TLS within TLS, to a proxy
            return not wait_for_read(self._sock, timeout=0.0)
        self._sock.settimeout(0)
        try:
            # Beneath TLS, if there is any: an alert, too, means that this connection has ended.
            socket.socket.recv(self._sock, 1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)


class _Timed:
    """Mixed into urllib3's connections."""

    sock: Any
    close: Callable[[], None]
    _used_at = 0.0

    def connect(self) -> None:
        super().connect()  # type: ignore[misc]  # of the connection class it is mixed into
        self.sock = _TimedSocket(self.sock)

    @property
    def is_connected(self) -> bool:
        """Asked before a pooled connection is used again. urllib3 polls, which gevent makes dear; a peek is cheap."""
        return self.sock is not None and self.sock.is_silent()

    def request(self, *args: Any, **kwargs: Any) -> None:
        now = time.monotonic()
        if self.sock is not None and now - self._used_at > _IDLE_SECONDS:
            self.close()
        self._used_at = now
        super().request(*args, **kwargs)  # type: ignore[misc]


class _TimedHTTPConnection(_Timed, HTTPConnection):
    pass


class _TimedHTTPSConnection(_Timed, HTTPSConnection):
    pass


class _TimedHTTPPool(HTTPConnectionPool):
    ConnectionCls = _TimedHTTPConnection


class _TimedHTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _TimedHTTPSConnection


_POOLS = {"http": _TimedHTTPPool, "https": _TimedHTTPSPool}


class DeadlineAdapter(HTTPAdapter):
    """A ``requests`` transport whose connections obey :func:`deadline`."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def pool_for(self, base_url: str, proxy: str | None) -> tuple[Any, str]:
        """Return the pool that ``requests`` would use for this address, and what goes before a path in its requests.

        Trust store and proxy are set up here, once, instead of at every call.
        """
        proxies = {"http": proxy, "https": proxy} if proxy else {}
        request = requests.Request("GET", base_url).prepare()
        pool = self.get_connection_with_tls_context(request, verify=True, proxies=proxies)
        self.cert_verify(pool, base_url, verify=True, cert=None)  # type: ignore[no-untyped-call]
        forwarded = proxy is not None and base_url.startswith("http://")
        return pool, base_url if forwarded else urlsplit(base_url).path

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = _POOLS
        return manager
