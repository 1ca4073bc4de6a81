"""The proxies in front: whether TRUSTED_PROXIES matches what they do to X-Forwarded-For.

The doctor sends a request through the public address that claims to come from an address for documentation
(RFC 5737), and the service tells the doctor, and nobody else, what arrived.
"""

from collections.abc import Iterator
from urllib.parse import urlsplit

from authsvc.doctor.case import Case
from authsvc.doctor.fetching import Unfetched, fetch
from authsvc.doctor.findings import Line, ok, skipped, warning, wrong
from authsvc.networks import address, is_this_machine
from authsvc.sealing import KeyedHash
from authsvc.services.operator.arrivals import HEADER, PATH, PURPOSE, proof

_CLAIMED = "198.51.100.77"


def believed(case: Case) -> Iterator[Line]:
    """Yield which client address the service sees, and whether a client could choose it."""
    settings = case.settings
    shown = proof(KeyedHash(settings.secret_keys, PURPOSE))
    try:
        answer = fetch(settings.public_base_url, PATH, headers={HEADER: shown, "X-Forwarded-For": _CLAIMED})
    except Unfetched as failure:
        yield skipped(f"the service could not be asked: {failure}")
        return
    arrived = answer.json() or {}
    entries, seen = arrived.get("forwarded"), arrived.get("address")
    if answer.status != 200 or not isinstance(entries, list):
        yield skipped(
            f"not known: the service there did not answer the doctor (HTTP status {answer.status}); it has another"
            " SECRET_KEYS, another version, or a clock that is minutes off"
        )
        return
    if (
        seen is None
        and settings.trusted_proxies == 0
        and not is_this_machine(urlsplit(settings.public_base_url).hostname)
    ):
        yield warning(
            "TRUSTED_PROXIES=0, but a proxy on this machine passes requests on: no client's address is known",
            "let it set X-Forwarded-For (deploy/nginx.conf), set TRUSTED_PROXIES=1 and restart",
        )
        return
    yield _judged(settings.trusted_proxies, [str(entry) for entry in entries], seen if isinstance(seen, str) else None)


def _judged(trusted: int, entries: list[str], seen: str | None) -> Line:
    """Compare the setting with the entries that proxies added behind the claimed one, or put in its place."""
    is_kept = bool(entries) and address(entries[0]) == _CLAIMED
    added = len(entries) - 1 if is_kept else len(entries)
    todo = f"set TRUSTED_PROXIES={added} and restart"
    if trusted == added:
        who = f"the service sees {seen}" if seen else "the service sees a request from this machine"
        return ok(f"TRUSTED_PROXIES={trusted} is right: {who}, and no client can choose that")
    if seen == _CLAIMED:
        return wrong(
            f"TRUSTED_PROXIES={trusted}, but {_proxies(added)}: clients can choose their address and evade all limits",
            todo,
        )
    if trusted == 0:
        return warning(
            f"TRUSTED_PROXIES=0, but {_proxies(added)}: every client seems to have the address of the proxy,"
            " and no limit per address works",
            todo,
        )
    if added < trusted:
        return wrong(
            f"TRUSTED_PROXIES={trusted}, but {_proxies(added)}: no client's address is known",
            f"{todo}; or let each proxy append to X-Forwarded-For (proxy_add_x_forwarded_for)",
        )
    return warning(f"TRUSTED_PROXIES={trusted}, but {_proxies(added)}: clients share the address of a proxy", todo)


def _proxies(count: int) -> str:
    if count == 0:
        return "no proxy adds to X-Forwarded-For"
    return f"{count} {'proxy adds' if count == 1 else 'proxies add'} to X-Forwarded-For"
