"""Which requests of browsers are let in: those of the simulator's own page, under a name of this machine.

A page of anybody's may make a browser send requests to a port of this machine. Two things tell them from ours: the name
that they were sent to (``Host``; a name of somebody else's that points here is DNS rebinding), and what browsers say of
where they come from (``Origin``, ``Sec-Fetch-Site``; pages cannot forge either). Programs send neither of the latter.
What proxies add (``X-Forwarded-…``) is anybody's to write, and not looked at.
"""

import re
from collections.abc import Collection
from ipaddress import ip_address

from flask import Flask, abort, request

_HOST = re.compile(r"(?P<name>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?\Z")
_SAFE = ("GET", "HEAD", "OPTIONS")
_OWN = ("same-origin", "none")


def guard(app: Flask, hosts: Collection[str]) -> None:
    """Refuse, with 403, what is not for this machine or one of these ``hosts``, and what another site's page sends.

    An address to listen on may be among the hosts; 0.0.0.0 and :: are nobody's name.
    """
    allowed = frozenset(host.strip("[]").lower() for host in hosts) - {"0.0.0.0", "::"}  # noqa: S104 (taken out)

    @app.before_request
    def check() -> None:
        host = request.environ.get("HTTP_HOST", "")
        if not _is_ours(host, allowed):
            abort(403, "Host is neither this machine nor a name that --allow-host gave")
        if _is_from_elsewhere(host):
            abort(403, "only the simulator's own page and programs may do this, no page of another site")


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
    """Tell whether a browser says that a page of another site sends this. Looking at our page is anybody's."""
    is_safe = request.method in _SAFE
    if is_safe and (request.path == "/" or request.endpoint in ("page.static", "page.kit")):
        return False
    origin = request.headers.get("Origin")
    if origin is not None and origin.lower() not in (f"http://{host}".lower(), f"https://{host}".lower()):
        return True
    return request.headers.get("Sec-Fetch-Site", "none").lower() not in _OWN
