"""Connections to Redis that are made by a deadline and read by it."""

import socket
from typing import Any

from redis.backoff import NoBackoff
from redis.connection import AbstractConnection, Connection, ConnectionPool, SSLConnection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.retry import Retry

from authsvc.connections import CutOff, NotConnected, TimedSocket, connect, failure_text

_NO_DELAY = (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
_KEEP_ALIVE = (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)


class _Plain(Connection):
    def _connect(self) -> Any:
        try:
            return TimedSocket(_opened(self))
        except NotConnected as failure:
            raise RedisConnectionError(str(failure)) from None


class _Encrypted(SSLConnection):
    def _connect(self) -> Any:
        with CutOff() as cut_off:
            try:
                opened = _opened(self)
                cut_off.guard(opened, opened.gettimeout() or 0)
                return TimedSocket(self._wrap_socket_with_ssl(opened))  # type: ignore[no-untyped-call]
            except NotConnected as failure:
                raise RedisConnectionError(str(failure)) from None
            except OSError as error:
                raise RedisConnectionError(failure_text(error)) from None


def _opened(connection: Connection) -> socket.socket:
    return connect(connection.host, connection.port, connection.socket_connect_timeout or 0, (_NO_DELAY, _KEEP_ALIVE))


_CLASSES: dict[str, type[AbstractConnection]] = {"redis": _Plain, "rediss": _Encrypted}


def pool(url: str, *, seconds: float, **options: Any) -> ConnectionPool:
    """Return a pool for ``redis://``, ``rediss://`` or ``unix://`` whose connections obey the deadline.

    Connecting, and each wait for an answer, take at most ``seconds``; the deadline bounds them together. ``options``
    are those of a pool and its connections.
    """
    if (kind := _CLASSES.get(url.partition("://")[0])) is not None:
        options["connection_class"] = kind
    if url.startswith("rediss://") and "ssl_cert_reqs=none" not in url:
        options["ssl_check_hostname"] = True  # not everybody's default: not before redis-py 6
    # One more try on a connection that Redis has closed meanwhile; none after a timeout.
    retry = Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,))
    return ConnectionPool.from_url(url, socket_timeout=seconds, socket_connect_timeout=seconds, retry=retry, **options)
