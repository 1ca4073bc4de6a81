"""Sends messages to addresses that an operator chose, and to nothing else that those addresses may lead to."""

import threading
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any
from urllib.parse import SplitResult, urlsplit

from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError
from urllib3.util import Retry, Timeout
from urllib3.util.ssl_ import create_urllib3_context

from authsvc.connections import NotConnected, TimedConnection, deadline

# For the name, every address, TLS and the answer together.
CALL_SECONDS = 10.0
_CONNECT_SECONDS = 5.0
# Of the answer, only the status matters; reading a short body lets the connection be used again.
_MOST_BYTES = 4096
_ONCE = Retry(total=False, redirect=False)


class NotDelivered(Exception):
    """The message was not taken. The text says why, without the address; ``is_away``: nobody took a message at all."""

    def __init__(self, reason: str, *, is_away: bool = False) -> None:
        super().__init__(reason)
        self.is_away = is_away


class BadTarget(Exception):
    """The address may not be a target; the text says why."""


def is_public(address: str) -> bool:
    """True for an IP address of the public internet: none of this machine, a private network, or a cloud's metadata."""
    parsed = ip_address(address.partition("%")[0])
    carried = getattr(parsed, "ipv4_mapped", None) or getattr(parsed, "sixtofour", None)
    return parsed.is_global and not parsed.is_multicast and (carried is None or carried.is_global)


class _PublicHTTPSConnection(TimedConnection, HTTPSConnection):
    permits = staticmethod(is_public)


class _ListedHTTPConnection(TimedConnection, HTTPConnection):
    pass


class _ListedHTTPSConnection(TimedConnection, HTTPSConnection):
    pass


class _PublicHTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _PublicHTTPSConnection


class _ListedHTTPPool(HTTPConnectionPool):
    ConnectionCls = _ListedHTTPConnection


class _ListedHTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _ListedHTTPSConnection


class Sender:
    """Sends by https to public addresses, and to listed hosts by http as well, wherever they are."""

    def __init__(self, listed: tuple[str, ...]) -> None:
        """``listed`` are ``host`` or ``host:port``, in lower case."""
        self._listed = frozenset(listed)
        self._context = create_urllib3_context()
        self._context.load_verify_locations(DEFAULT_CA_BUNDLE_PATH)
        self._lock = threading.Lock()
        self._pools: dict[tuple[str, str, int], Any] = {}

    def check(self, url: str) -> None:
        """Raise BadTarget unless messages may be sent to this address."""
        self._parts(url)

    def send(self, url: str, headers: Mapping[str, str], body: str) -> None:
        """Send a JSON message. Raises NotDelivered unless the answer has a status of 200 to 299 within ten seconds.

        A redirect is not followed: it would lead a signed message elsewhere.
        """
        try:
            parts = self._parts(url)
        except BadTarget as bad:
            raise NotDelivered(str(bad), is_away=True) from None
        target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
        status = self._ask(self._pool(parts), target, {**headers, "Content-Type": "application/json"}, body)
        if not 200 <= status <= 299:
            raise NotDelivered(f"HTTP status {status}", is_away=status >= 500 or status == 429)

    def _ask(self, pool: Any, target: str, headers: dict[str, str], body: str) -> int:
        try:
            with deadline(CALL_SECONDS):
                response = pool.urlopen(
                    "POST",
                    target,
                    body=body.encode(),
                    headers={**headers, "User-Agent": "authsvc", "Accept-Encoding": "identity"},
                    retries=_ONCE,
                    timeout=Timeout(connect=_CONNECT_SECONDS, read=CALL_SECONDS),
                    preload_content=False,
                )
                is_short = len(response.read(_MOST_BYTES + 1, decode_content=False)) <= _MOST_BYTES
        except NotConnected as failure:
            raise NotDelivered(str(failure), is_away=True) from None
        except (HTTPError, OSError, ValueError) as error:
            raise NotDelivered(f"no answer ({type(error).__name__})", is_away=True) from None
        if is_short:
            response.release_conn()
        else:
            response.close()
        return int(response.status)

    def _parts(self, url: str) -> SplitResult:
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            raise BadTarget("the address is not a URL") from None
        if not host or not url.isascii() or not url.isprintable() or " " in url:
            raise BadTarget("the address is not a URL")
        if parts.username is not None or parts.fragment:
            raise BadTarget("the address has a user or a fragment")
        is_listed = host in self._listed or f"{host}:{port}" in self._listed
        if parts.scheme != "https" and not (parts.scheme == "http" and is_listed):
            raise BadTarget("the address is not https, and its host is not in WEBHOOK_HOSTS")
        return parts

    def _pool(self, parts: SplitResult) -> Any:
        host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
        with self._lock:
            found = self._pools.get((parts.scheme, host, port))
            if found is None:
                found = self._pools[parts.scheme, host, port] = self._made(parts.scheme, host, port)
        return found

    def _made(self, scheme: str, host: str, port: int) -> Any:
        if scheme == "http":
            return _ListedHTTPPool(host, port, maxsize=8)
        is_listed = host in self._listed or f"{host}:{port}" in self._listed
        kind = _ListedHTTPSPool if is_listed else _PublicHTTPSPool
        return kind(host, port, maxsize=8, ssl_context=self._context)
