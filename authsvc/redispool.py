"""Connections to Redis with a deadline for connecting and reading."""

import logging
import socket
import ssl
from functools import cache
from typing import Any

from redis import Redis
from redis.backoff import NoBackoff
from redis.connection import AbstractConnection, Connection, ConnectionPool, SSLConnection
from redis.exceptions import AuthenticationError, RedisError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.retry import Retry

from authsvc.connections import CutOff, NotConnected, TimedSocket, connect, deadline, failure_text

logger = logging.getLogger(__name__)

_GLANCE_SECONDS = 1.0
_NO_DELAY = (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
_KEEP_ALIVE = (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)


class Unreachable(RedisConnectionError):
    """There is no connection. The text says why, without a host."""


class _Plain(Connection):
    def _connect(self) -> Any:
        try:
            return TimedSocket(_opened(self))
        except NotConnected as failure:
            raise Unreachable(str(failure)) from None


class _Encrypted(SSLConnection):
    def _connect(self) -> Any:
        with CutOff() as cut_off:
            try:
                opened = _opened(self)
                cut_off.guard(opened, opened.gettimeout() or 0)
                return TimedSocket(self._wrap_socket_with_ssl(opened))
            except NotConnected as failure:
                raise Unreachable(str(failure)) from None
            except OSError as error:
                raise Unreachable(failure_text(error)) from None

    def _wrap_socket_with_ssl(self, opened: socket.socket) -> ssl.SSLSocket:
        context = _context(
            self.ca_certs, self.ca_path, self.certfile, self.keyfile, self.cert_reqs, self.check_hostname
        )
        return context.wrap_socket(opened, server_hostname=self.host)


@cache
def _context(
    ca_file: str | None,
    ca_folder: str | None,
    certificate: str | None,
    key: str | None,
    mode: ssl.VerifyMode,
    check_hostname: bool,
) -> ssl.SSLContext:
    """Created once per set of options, because reading the system's authorities takes 20 ms of CPU."""
    context = ssl.create_default_context(cafile=ca_file, capath=ca_folder)
    context.check_hostname = check_hostname
    context.verify_mode = mode
    if certificate is not None:
        context.load_cert_chain(certificate, key)
    return context


def _opened(connection: Connection) -> socket.socket:
    return connect(connection.host, connection.port, connection.socket_connect_timeout or 0, (_NO_DELAY, _KEEP_ALIVE))


_CLASSES: dict[str, type[AbstractConnection]] = {"redis": _Plain, "rediss": _Encrypted}


def pool(url: str, *, seconds: float, **options: Any) -> ConnectionPool:
    """Return a pool for ``redis://``, ``rediss://`` or ``unix://`` whose connections obey the deadline.

    Connecting, and each wait for an answer, take at most ``seconds``; the deadline limits them together. ``options``
    are options of a pool and its connections.
    """
    if (kind := _CLASSES.get(url.partition("://")[0])) is not None:
        options["connection_class"] = kind
    if url.startswith("rediss://") and "ssl_cert_reqs=none" not in url:
        options["ssl_check_hostname"] = True  # not everybody's default: not before redis-py 6
    # One more try if Redis has closed the connection meanwhile; none after a timeout.
    retry = Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,))
    return ConnectionPool.from_url(url, socket_timeout=seconds, socket_connect_timeout=seconds, retry=retry, **options)


def look(url: str) -> None:
    """Log an error if Redis cannot be used at the moment. Nothing waits for it; it is tried again when it is needed."""
    glance = Redis(connection_pool=pool(url, seconds=_GLANCE_SECONDS))
    reason = None
    try:
        with deadline(_GLANCE_SECONDS):
            glance.ping()
    except Unreachable as failure:
        reason = str(failure)
    except AuthenticationError:
        reason = "it refuses the password"
    except (RedisError, OSError) as error:  # their texts contain host names
        reason = type(error).__name__
    glance.close()
    if reason is not None:
        logger.error(
            "REDIS_URL: Redis cannot be used (%s); until it works, each machine stores access_tokens and counts alone",
            reason,
        )
