"""Whom an IP address stands for."""

import ipaddress


def subscriber(address: str) -> str:
    """Return what one subscriber holds: an IPv4 address, or a /64 of IPv6."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    return address if parsed.version == 4 else str(ipaddress.ip_network((parsed, 64), strict=False))


def site(address: str) -> str:
    """Return what one line of a household or company may hold: an IPv4 address, or a /56 of IPv6."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    return address if parsed.version == 4 else str(ipaddress.ip_network((parsed, 56), strict=False))
