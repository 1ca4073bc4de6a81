"""The pools of connections to WeChat: urllib3's, whose calls end by the deadline."""

from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

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
    """A ``requests`` transport whose connections obey the deadline."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def pool_for(self, base_url: str, proxy: str | None, ca_file: str | None) -> tuple[Any, str]:
        """Return the pool that ``requests`` would use for this address, and what goes before a path in its requests.

        Trust store and proxy are set up here, once, instead of at every call. ``ca_file`` (PEM) takes the place of the
        public authorities.
        """
        proxies = {"http": proxy, "https": proxy} if proxy else {}
        request = requests.Request("GET", base_url).prepare()
        verify = ca_file or True
        pool = self.get_connection_with_tls_context(request, verify=verify, proxies=proxies)
        self.cert_verify(pool, base_url, verify=verify, cert=None)  # type: ignore[no-untyped-call]
        forwarded = proxy is not None and base_url.startswith("http://")
        return pool, base_url if forwarded else urlsplit(base_url).path

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = _POOLS
        return manager
