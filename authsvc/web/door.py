"""What stands before Flask: who asks, which headers get in, and how bodies are read."""

import logging
from collections.abc import Iterable
from typing import Any

from authsvc import networks
from authsvc.web.reading import WsgiApp, patient

logger = logging.getLogger(__name__)

# In the place of an address that is not known (the word of RFC 7239 §6).
UNKNOWN = "unknown"
# Nothing here has parts or dates: a picture has an ETag. What parses them raises for dates that no calendar has.
_UNREAD = (
    "HTTP_RANGE",
    "HTTP_IF_RANGE",
    "HTTP_IF_MATCH",
    "HTTP_IF_MODIFIED_SINCE",
    "HTTP_IF_UNMODIFIED_SINCE",
)


class _Door:
    """Lets a request in without what nobody reads, and with the client's address or the word that none is known.

    The address is what the outermost of ``trusted_proxies`` was connected from, as X-Forwarded-For says; the peer's
    without any.
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
            environ.pop("HTTP_X_REQUEST_ID", None)  # a client's own: ids in our logs are ours or our proxy's
            environ["REMOTE_ADDR"] = networks.address(environ.get("REMOTE_ADDR")) or UNKNOWN
        return self._app(environ, start_response)

    def _forwarded(self, header: str) -> str:
        """Return the client's address from a header; fewer entries in it than proxies name a proxy at best."""
        entries = header.rsplit(",", self._trusted_proxies)[-self._trusted_proxies :]
        found = networks.address(entries[0]) if len(entries) == self._trusted_proxies else None
        if found is None and not self._has_warned:
            self._has_warned = True
            said = (
                "X-Forwarded-For names no address (TRUSTED_PROXIES is %d): no limit per address holds for such requests"
            )
            logger.warning(said, self._trusted_proxies)
        return found or UNKNOWN


def door(app: WsgiApp, trusted_proxies: int) -> WsgiApp:
    """Return ``app`` behind the door."""
    return _Door(patient(app), trusted_proxies)
