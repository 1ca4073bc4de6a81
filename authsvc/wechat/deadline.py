"""The connection pools for WeChat: urllib3's, with calls that end by the deadline."""

from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.util.ssl_ import create_urllib3_context

from authsvc.connections import TimedConnection


class _TimedHTTPConnection(TimedConnection, HTTPConnection):
    pass


class _TimedHTTPSConnection(TimedConnection, HTTPSConnection):
    pass


class _TimedHTTPPool(HTTPConnectionPool):
    ConnectionCls = _TimedHTTPConnection


class _TimedHTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _TimedHTTPSConnection


_POOLS = {"http": _TimedHTTPPool, "https": _TimedHTTPSPool}


class DeadlineAdapter(HTTPAdapter):
    """A ``requests`` transport whose connections obey the deadline and trust these authorities (PEM).

    They are read once. urllib3 would read all of them for each new TLS connection, which takes 20 ms of CPU for the
    public ones, and no greenlet runs meanwhile.
    """

    def __init__(self, authorities: str, *, connections: int) -> None:
        self._context = create_urllib3_context()
        self._context.load_verify_locations(authorities)
        super().__init__(pool_connections=1, pool_maxsize=connections, max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def pool_for(self, base_url: str, proxy: str | None) -> tuple[Any, str]:
        """Return the pool that ``requests`` would use for this address, and the prefix of the paths in its requests.

        Trust store and proxy are set up here, once, instead of at every call.
        """
        proxies = {"http": proxy, "https": proxy} if proxy else {}
        request = requests.Request("GET", base_url).prepare()
        pool: Any = self.get_connection_with_tls_context(request, verify=True, proxies=proxies)
        if base_url.startswith("https://"):
            pool.conn_kw["ssl_context"] = self._context
        forwarded = proxy is not None and base_url.startswith("http://")
        return pool, base_url if forwarded else urlsplit(base_url).path

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        if proxy.startswith("https://"):
            kwargs["proxy_ssl_context"] = self._context
        manager = super().proxy_manager_for(proxy, **kwargs)
        manager.pool_classes_by_scheme = _POOLS
        return manager
