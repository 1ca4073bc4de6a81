"""Reads the claims by rule of a mini program, such as ``is_new=new_user:7d, has_phone``."""

import re
from collections.abc import Iterator
from typing import cast, get_args

from authsvc.values.claims import MOST_CLAIMS, ClaimRule, ClaimSource

_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}\Z")
_NEW_USER = re.compile(r"new_user(?::([1-9][0-9]{0,3})d)?\Z")
# What tokens contain already, what RFC 7519 and RFC 9068 or OpenID Connect give a meaning, and what libraries read.
_RESERVED = frozenset(
    {
        *("iss", "sub", "aud", "exp", "iat", "nbf", "jti", "sid", "appid", "openid", "nickname", "unionid"),
        *("amr", "acr", "auth_time", "scope", "client_id", "azp", "nonce", "cnf", "act", "may_act", "events", "txn"),
        *("typ", "type", "kid", "alg", "fresh", "csrf"),
    }
)
_ONCE: tuple[ClaimSource, ...] = ("has_phone", "invite_campaign", "roles")


def rules(text: str | None, place: str, problems: list[str]) -> tuple[ClaimRule, ...]:
    """Return the rules of a setting; if they are not valid, note the problems and return none."""
    parts = [part.strip() for part in (text or "").split(",") if part.strip()]
    found = [rule for part in parts if (rule := _rule(part)) is not None]
    faults = list(_faults(found, len(parts)))
    problems += (f"{place} {fault}" for fault in faults)
    return () if faults else tuple(found)


def _rule(part: str) -> ClaimRule | None:
    """Return the rule of ``name=source``, or of a source that is its own name; None if there is no such source."""
    name, sign, source = (piece.strip() for piece in part.partition("="))
    source = source if sign else name
    if (new := _NEW_USER.match(source)) is not None:
        return ClaimRule(name.partition(":")[0] if not sign else name, "new_user", int(new[1] or 0))
    return ClaimRule(name, cast(ClaimSource, source)) if source in get_args(ClaimSource) else None


def _faults(found: list[ClaimRule], named: int) -> Iterator[str]:
    """Yield what is wrong; a name that is not one is not repeated, because it may be anything."""
    if len(found) < named:
        yield (
            "must be a list of name=source, separated by commas; sources are new_user, new_user:7d (days), has_phone,"
            " invite_campaign and roles"
        )
    names = [rule.name for rule in found]
    if not all(map(_NAME.match, names)):
        yield "has a claim that is not 1 to 32 of a-z, 0-9 and _, beginning with a letter"
    if reserved := sorted(_RESERVED.intersection(names)):
        yield f"must not set {', '.join(reserved)}: reserved for authsvc and the standards"
    if len(set(names)) < len(names):
        yield "has a claim twice"
    sources = [rule.source for rule in found]
    if any(sources.count(source) > 1 for source in _ONCE):
        yield "has a source twice; only new_user may come again, with other days"
    if named > MOST_CLAIMS:
        yield f"has more than {MOST_CLAIMS} claims"
