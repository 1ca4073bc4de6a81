"""The settings of rate limits."""

import re
from collections.abc import Mapping
from typing import cast

from authsvc.clock import DAY, HOUR
from authsvc.config.source import Source
from authsvc.values.limits import Asker, LimitedKind, Rate

# How often one address (IPv6: its /64), mini program, user, service or operator may send requests. Many people share
# the address of a mobile carrier. "login" is every request that sends a code to WeChat; "request" is every other route.
_DEFAULTS: dict[LimitedKind, str] = {
    "login": "address 600/minute, user 30/minute",
    "refresh": "address 1200/minute, user 600/minute",
    "phone": "address 300/minute, user 60/minute",
    "invite": "address 60/minute",
    "qrcode": "address 300/minute, user 120/minute",
    "signin": "address 60/minute",
    "export": "address 600/minute, user 30/hour",
    "request": "address 6000/minute, user 6000/minute, service 60000/minute",
    "gateway": "address 60000/minute, user 12000/minute",
    "read": "address 12000/minute",
    "push": "address 6000/minute",
    "health": "address 1200/minute",
    "operator": "address 30/minute, operator 1200/minute",
    "directory": "address 600/minute, service 120/minute",
    "avatar": "address 120/minute, user 10/minute",
}
_RATE = re.compile(r"(address|app|user|service|operator) ([1-9][0-9]{0,8})/(second|minute|hour|day)\Z", re.ASCII)
_SECONDS = {"second": 1, "minute": 60, "hour": HOUR, "day": DAY}


def limits(source: Source) -> dict[LimitedKind, Mapping[Asker, Rate]]:
    """Return the limits of each kind of route."""
    return {kind: _rates(source, f"RATE_LIMIT_{kind.upper()}", default) for kind, default in _DEFAULTS.items()}


def _rates(source: Source, name: str, default: str) -> dict[Asker, Rate]:
    """Read a list such as ``address 600/minute, user 20/minute``; ``off`` means no limits."""
    text = source.text(name, default) or ""
    if text.strip() == "off":
        return {}
    matches = [_RATE.match(part.strip()) for part in text.split(",")]
    if None in matches:
        source.complain(f"{name} must be off or a list such as: address 600/minute, user 20/minute")
    return {cast(Asker, found[1]): Rate(int(found[2]), _SECONDS[found[3]]) for found in matches if found}
