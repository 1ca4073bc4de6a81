"""Who stands behind a connection: the one place that reads what a peer or a proxy names as an address.

An address that is not known is None. It is never counted together with another and never equal to one: whoever counts
or compares leaves it out.
"""

import ipaddress
from ipaddress import IPv4Address, IPv6Address

# The longest spelling of an address, a zone, brackets and a port.
_MOST_CHARS = 100
_IPV4_BITS = 2**32 - 1
# RFC 6052 §2.1: clients over IPv4, as a translator in front of an IPv6 network names them.
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


def address(named: str | None) -> str | None:
    """Return the address that a peer or proxy names, in its one spelling, or None where it names none.

    Taken are IPv4 and IPv6 with or without brackets, port, zone (dropped) and quotes. What carries IPv4 inside IPv6
    (mapped, NAT64, 6to4) is the IPv4 address: a listener on ``::`` names all IPv4 clients so, all in one /64. None is
    for ``unknown``, names, text of any other kind or length, and addresses that no client has.
    """
    text = (named or "").strip()
    if len(text) > _MOST_CHARS:
        return None
    try:
        parsed = ipaddress.ip_address(_without_port(text.strip('"')).partition("%")[0])
    except ValueError:
        return None
    found = _carried(parsed) if isinstance(parsed, IPv6Address) else parsed
    return None if found.is_unspecified or found.is_multicast else str(found)


def is_neighbour(known: str) -> bool:
    """Tell whether an address (from ``address``) is what a proxy on this machine connects from: no client's."""
    return known in ("127.0.0.1", "::1")


def is_this_machine(host: str | None) -> bool:
    """Tell whether a host in an address of ours is this machine: the loopback network, or none named at all."""
    if host is None or host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def subscriber(known: str) -> str:
    """Return what one subscriber holds, from what ``address`` returned: an IPv4 address, or a /64 of IPv6."""
    return _network(known, 64)


def site(known: str) -> str:
    """Return what one line of a household or company may hold, from the same: an IPv4 address, or a /56 of IPv6."""
    return _network(known, 56)


def _network(known: str, bits: int) -> str:
    parsed = ipaddress.ip_address(known)
    return known if parsed.version == 4 else str(ipaddress.ip_network((parsed, bits), strict=False))


def _without_port(text: str) -> str:
    if text.startswith("["):
        inside, closed, port = text[1:].partition("]")
        return inside if closed and (port == "" or (port[0] == ":" and _is_number(port[1:]))) else ""
    host, colon, port = text.partition(":")
    return host if colon and _is_number(port) and "." in host else text


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal()


def _carried(parsed: IPv6Address) -> IPv4Address | IPv6Address:
    if parsed.ipv4_mapped is not None:
        return parsed.ipv4_mapped
    inside = IPv4Address(int(parsed) & _IPV4_BITS) if parsed in _NAT64 else parsed.sixtofour
    # Nobody is this machine by way of a translator.
    return parsed if inside is None or inside.is_loopback or inside.is_unspecified else inside
