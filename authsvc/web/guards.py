"""Who may enter."""

import re

from flask import current_app, request

from authsvc.errors import Unauthenticated
from authsvc.signing.tokens import TokenChecker
from authsvc.types import Caller, VerifiedClaims
from authsvc.web.access import services

# The scheme is case-insensitive (RFC 9110 §11.1), and some front ends write it in lower case.
_BEARER = re.compile(r"bearer +(\S+) *\Z", re.IGNORECASE)


def caller() -> Caller:
    """Return the signed-in user of this request.

    Raises Unauthenticated without a good token, SessionEnded after logout, AccountDisabled.
    """
    return services().sessions.authenticate(claims())


def claims(*, allow_expired: bool = False) -> VerifiedClaims:
    """Return the claims of this request's token, whose session nobody has asked for yet. Raises Unauthenticated."""
    match = _BEARER.match(request.headers.get("Authorization", ""))
    if match is None:
        raise Unauthenticated("no bearer token")
    checker: TokenChecker = current_app.extensions["authsvc-tokens"]
    return checker.check(match[1], allow_expired=allow_expired)
