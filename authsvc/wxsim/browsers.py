"""The accepted requests of browsers: those of the simulator's own page, to a name of this machine.

Any web page can make a browser send requests to a port of this machine. Two things distinguish them from ours: the name
that they were sent to (``Host``; a foreign name that points here is DNS rebinding), and the origin that browsers report
(``Origin``, ``Sec-Fetch-Site``; pages cannot forge these). Other programs send neither. ``X-Forwarded-…``, which
anybody can write, is ignored.
"""

import re
from collections.abc import Collection
from ipaddress import ip_address

from flask import Flask, abort, request

_HOST = re.compile(r"(?P<name>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?\Z")
_SAFE = ("GET", "HEAD", "OPTIONS")
_OWN = ("same-origin", "none")


def guard(app: Flask, hosts: Collection[str]) -> None:
    """Refuse with 403 requests that are not for this machine or one of these ``hosts``, or from another site's page.

    The hosts may include an address to listen on; 0.0.0.0 and :: are not names.
    """
    allowed = frozenset(host.strip("[]").lower() for host in hosts) - {"0.0.0.0", "::"}  # noqa: S104 (taken out)

    @app.before_request
    def check() -> None:
        host = request.environ.get("HTTP_HOST", "")
        if not _is_ours(host, allowed):
            abort(403, "Host is neither this machine nor a name from --allow-host")
        if _is_from_elsewhere(host):
            abort(403, "only the simulator's own page and programs may do this, not pages of other sites")


def is_this_machine(name: str | None) -> bool:
    """Tell whether a host is this machine: ``localhost``, or an address of the loopback network."""
    try:
        return ip_address(name or "").is_loopback
    except ValueError:
        return name == "localhost"


def _is_ours(host: str, allowed: Collection[str]) -> bool:
    match = _HOST.match(host)
    if match is None:
        return False
    name = match["name"].strip("[]").lower()
    return is_this_machine(name) or name in allowed


def _is_from_elsewhere(host: str) -> bool:
    """Tell whether a browser reports another site's page as the sender. Opening our page is always allowed."""
    is_safe = request.method in _SAFE
    if is_safe and (request.path == "/" or request.endpoint in ("page.static", "page.kit")):
        return False
    origin = request.headers.get("Origin")
    if origin is not None and origin.lower() not in (f"http://{host}".lower(), f"https://{host}".lower()):
        return True
    return request.headers.get("Sec-Fetch-Site", "none").lower() not in _OWN
