"""WSGI middleware before Flask: the client's address, allowed headers, and reading of bodies."""

import logging
from collections.abc import Iterable
from typing import Any

from authsvc import networks
from authsvc.web.reading import WsgiApp, patient

logger = logging.getLogger(__name__)

# Stands for an address that is not known (the word of RFC 7239 §6).
UNKNOWN = "unknown"
# No route uses ranges or dates (a picture has an ETag), and their parsers raise for impossible dates.
_UNREAD = (
    "HTTP_RANGE",
    "HTTP_IF_RANGE",
    "HTTP_IF_MATCH",
    "HTTP_IF_MODIFIED_SINCE",
    "HTTP_IF_UNMODIFIED_SINCE",
)


class _Door:
    """Passes a request on without unused headers, and with the client's address or the word for an unknown one.

    The address is the client of the outermost of ``trusted_proxies``, from X-Forwarded-For; without proxies it is the
    peer's.
    """

    def __init__(self, app: WsgiApp, trusted_proxies: int) -> None:
        self._app = app
        self._trusted_proxies = trusted_proxies
        self._has_warned = False

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        for name in _UNREAD:
            environ.pop(name, None)
        if self._trusted_proxies:
            environ["REMOTE_ADDR"] = self._forwarded(environ.get("HTTP_X_FORWARDED_FOR", ""))
        else:
            if not self._has_warned:
                self._warn_of_a_proxy(environ)
            environ.pop("HTTP_X_REQUEST_ID", None)  # set by the client: ids in our logs are only ours or our proxy's
            environ["REMOTE_ADDR"] = networks.address(environ.get("REMOTE_ADDR")) or UNKNOWN
        return self._app(environ, start_response)

    def _warn_of_a_proxy(self, environ: dict[str, Any]) -> None:
        """Warn once of a proxy on this machine that nobody has told us of: all clients have its address."""
        peer = networks.address(environ.get("REMOTE_ADDR"))
        if peer and networks.is_neighbour(peer) and ("HTTP_X_FORWARDED_FOR" in environ or "HTTP_FORWARDED" in environ):
            self._has_warned = True
            logger.warning(
                "a proxy on this machine passes requests on, but TRUSTED_PROXIES is 0: no client's address is known,"
                " and no limit per address applies; set TRUSTED_PROXIES=1 if the proxy is yours"
            )

    def _forwarded(self, header: str) -> str:
        """Return the client's address from a header; with fewer entries than proxies, none of them is the client's."""
        entries = header.rsplit(",", self._trusted_proxies)[-self._trusted_proxies :]
        found = networks.address(entries[0]) if len(entries) == self._trusted_proxies else None
        if found is None and not self._has_warned:
            self._has_warned = True
            said = "X-Forwarded-For has no client address (TRUSTED_PROXIES is %d); no limit per address applies"
            logger.warning(said, self._trusted_proxies)
        return found or UNKNOWN


def door(app: WsgiApp, trusted_proxies: int) -> WsgiApp:
    """Return ``app`` behind the door."""
    return _Door(patient(app), trusted_proxies)
