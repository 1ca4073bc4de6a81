"""The client's address: the only place that parses the address of a peer or from a proxy.

An unknown address is None. It must never be counted together with another address or treated as equal to one, so code
that counts or compares addresses leaves it out.
"""

import ipaddress
from ipaddress import IPv4Address, IPv6Address

# The longest spelling of an address with a zone, brackets and a port.
_MOST_CHARS = 100
_IPV4_BITS = 2**32 - 1
# RFC 6052 §2.1: how a translator in front of an IPv6 network writes IPv4 clients.
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


def address(named: str | None) -> str | None:
    """Return the address of a peer, or from a proxy, in canonical form, or None if there is none.

    Accepts IPv4 and IPv6 with or without brackets, port, zone (dropped) and quotes. IPv4 inside IPv6 (mapped, NAT64,
    6to4) becomes the IPv4 address: a listener on ``::`` sees all IPv4 clients in that form, all in one /64. Returns
    None for ``unknown``, names, any other text, and addresses that no client has.
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
    """Tell whether an address (from ``address``) is that of a proxy on this machine, and so not a client's."""
    return known in ("127.0.0.1", "::1")


def is_this_machine(host: str | None) -> bool:
    """Tell whether a host in a setting is this machine: a loopback address, or no host at all."""
    if host is None or host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def subscriber(known: str) -> str:
    """Return the network of one subscriber for an address from ``address``: an IPv4 address, or a /64 of IPv6."""
    return _network(known, 64)


def site(known: str) -> str:
    """Return the network of one household or company, likewise: an IPv4 address, or a /56 of IPv6."""
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
    # A translated loopback address is not this machine.
    return parsed if inside is None or inside.is_loopback or inside.is_unspecified else inside
