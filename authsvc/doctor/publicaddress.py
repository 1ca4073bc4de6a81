"""The public address, as others see it: the name, TLS, the issuer, and the keys that verify tokens.

The requests start on this machine. What a network does only to those of phones, such as a firewall, cannot be seen.
"""

import ipaddress
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from authsvc.clock import DAY
from authsvc.doctor.case import Case
from authsvc.doctor.fetching import Fetched, Unfetched, fetch
from authsvc.doctor.findings import Line, ok, warning, wrong

_DISCOVERY = "/.well-known/openid-configuration"
_KEYS = "/.well-known/jwks.json"
# Certificates of Let's Encrypt are renewed thirty days before their end.
_DAYS_LEFT = 14


def reachable(case: Case) -> Iterator[Line]:
    """Yield whether an authsvc answers there."""
    address = case.settings.public_base_url
    try:
        answer = fetch(address, _DISCOVERY)
    except Unfetched as failure:
        yield wrong(
            f"{address} cannot be reached from here: {failure}",
            "start the service and the proxy; check the DNS name, the firewall and the certificate",
        )
        return
    if (fault := _fault(answer, "issuer")) is not None:
        yield wrong(f"{address}{_DISCOVERY}: {fault}", "let the proxy pass every path on to authsvc, unchanged")
        return
    case.public_answer = answer
    yield from _surroundings(address, answer)
    yield ok(f"{address} answers in {answer.seconds * 1000:.0f} ms (asked from this machine)")


def _surroundings(address: str, answer: Fetched) -> Iterator[Line]:
    """Yield warnings about an address that phones cannot reach, and a certificate that ends soon."""
    name = urlsplit(address).hostname
    if (
        address.startswith("https:")
        and answer.peer
        and not ipaddress.ip_address(answer.peer.partition("%")[0]).is_global
    ):
        yield warning(
            f"{name} leads to {answer.peer} here, which only this network reaches",
            "if phones get the same answer from DNS, correct it; it is normal if only this network gets it",
        )
    days = None if answer.expires_at is None else (answer.expires_at - answer.at) / DAY
    if days is not None and days < _DAYS_LEFT:
        yield warning(
            f"the certificate of {name} ends in {days * 24:.0f} hours", "renew it; check the job that renews it"
        )


def _fault(answer: Fetched, member: str) -> str | None:
    """Return why this is not authsvc's document, or None."""
    if 300 <= answer.status < 400:
        return f"redirects (HTTP status {answer.status}); verifiers and mini programs do not follow"
    if answer.status != 200:
        return f"HTTP status {answer.status}"
    if member not in (answer.json() or {}):
        return "something other than authsvc answers"
    return None


def issuer(case: Case) -> Iterator[Line]:
    """Yield whether the service there calls itself by this address, the ``iss`` of every token."""
    document = (case.public_answer.json() if case.public_answer else None) or {}
    expected = case.settings.public_base_url
    if document.get("issuer") != expected:
        yield wrong(
            f"the service there issues tokens as {document.get('issuer')!r:.200}, not as {expected}",
            "restart the service so that it reads PUBLIC_BASE_URL again; or the address leads to another installation",
        )
    elif document.get("jwks_uri") != f"{expected}{_KEYS}":
        yield wrong(
            f"its jwks_uri is {document.get('jwks_uri')!r:.200}", "let the proxy pass the documents on unchanged"
        )
    else:
        yield ok(f"iss is {expected}, as in the settings")


def keys(case: Case) -> Iterator[Line]:
    """Yield whether the keys published there are the ones that this installation signs with."""
    address = case.settings.public_base_url
    try:
        answer = fetch(address, _KEYS)
    except Unfetched as failure:
        yield wrong(f"{address}{_KEYS} cannot be reached: {failure}", "let the proxy pass every path on to authsvc")
        return
    if (fault := _fault(answer, "keys")) is not None:
        yield wrong(f"{address}{_KEYS}: {fault}", "let the proxy pass every path on to authsvc, unchanged")
        return
    ours = {key.kid: key.public_jwk for key in case.keys.keys} if case.keys else {}
    theirs = _published((answer.json() or {}).get("keys"))
    if theirs == ours:
        yield ok(f"the key set there ({len(theirs)} key{'s' if len(theirs) > 1 else ''}) is that of this installation")
        return
    missing = [kid for kid in ours if theirs.get(kid) != ours[kid]]
    signing = case.keys.signing_kid if case.keys else ""
    what = "lacks the key that signs here" if signing in missing else "differs from the keys here"
    yield wrong(
        f"the key set there {what} ({len(ours)} here, {len(theirs)} there, {len(ours) - len(missing)} in common)",
        "copy keys/signing.json to every machine (docs/keys.md), clear a cache in front, or correct PUBLIC_BASE_URL",
    )


def _published(found: Any) -> dict[str, dict[str, Any]]:
    entries = found if isinstance(found, list) else []
    return {entry["kid"]: entry for entry in entries if isinstance(entry, dict) and isinstance(entry.get("kid"), str)}
