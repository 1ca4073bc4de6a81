"""Who may enter."""

import base64
import binascii
import re

from flask import current_app, request

from authsvc.errors import InvalidRequest, NoSuchRoute, StepUpRequired, Unauthenticated
from authsvc.signing.tokens import TokenChecker
from authsvc.values.limits import LimitedKind
from authsvc.values.operator import ServiceScope
from authsvc.values.sessions import Caller, VerifiedClaims
from authsvc.web import ratelimits
from authsvc.web.access import services
from authsvc.web.schemas import CODE

STEP_UP_HEADER = "Step-Up-Code"
# The scheme is case-insensitive (RFC 9110 §11.1), and some front ends write it in lower case.
_BEARER = re.compile(r"bearer +(\S+) *\Z", re.IGNORECASE)
_BASIC = re.compile(r"basic +([A-Za-z0-9+/=]+) *\Z", re.IGNORECASE)


def caller(kind: LimitedKind = "request") -> Caller:
    """Return the signed-in user of this request, which counts as one of this kind.

    Raises Unauthenticated without a good token, SessionEnded after logout, AccountDisabled, TooManyRequests.
    """
    with ratelimits.counting_strangers(kind):
        found = services().sessions.authenticate(claims())
    ratelimits.by_user(kind, found.user.id)
    return found


def claims(*, allow_expired: bool = False) -> VerifiedClaims:
    """Return the claims of this request's token, whose session nobody has asked for yet. Raises Unauthenticated."""
    match = _BEARER.match(request.headers.get("Authorization", ""))
    if match is None:
        raise Unauthenticated("no bearer token")
    checker: TokenChecker = current_app.extensions["authsvc-tokens"]
    return checker.check(match[1], allow_expired=allow_expired)


def step_up(caller: Caller) -> None:
    """Make sure that it is the person who asks, and not somebody who holds a token of theirs.

    The header ``Step-Up-Code`` holds a fresh code of ``wx.login``, which counts like that of a login. Raises
    StepUpRequired without one, InvalidRequest, TooManyRequests, StepUpMismatch, or a WeChatError.
    """
    code = request.headers.get(STEP_UP_HEADER)
    if code is None:
        raise StepUpRequired("no code of wx.login")
    if not CODE.match(code):
        raise InvalidRequest("header", fields={STEP_UP_HEADER: ["malformed"]})
    ratelimits.by_user("login", caller.user.id)
    ratelimits.by_app("login", caller.session.appid)
    services().step_up.prove(caller, code)


def service(scope: ServiceScope, kind: LimitedKind = "request") -> str:
    """Return the name of the service that calls, and that may do ``scope``; the request counts as one of this kind.

    Its credential ``name.secret`` comes as a bearer token, or as HTTP Basic with the name as user and the secret as
    password. Raises NoSuchRoute while no credential exists, Unauthenticated, NotPermitted, TooManyRequests.
    """
    with ratelimits.counting_strangers(kind):
        credential = _credential(request.headers.get("Authorization", ""))
        name = services().service_credentials.check(credential, scope)
    ratelimits.by_service(kind, name)
    return name


def client(scope: ServiceScope, kind: LimitedKind = "request") -> str:
    """Return the name of the service that calls, as ``service`` does, where the address always exists."""
    try:
        return service(scope, kind)
    except NoSuchRoute as nobody:
        raise Unauthenticated(str(nobody)) from None


def _credential(header: str) -> str | None:
    if match := _BEARER.match(header):
        return match[1]
    if match := _BASIC.match(header):
        try:
            return base64.b64decode(match[1], validate=True).decode("ascii").replace(":", ".", 1)
        except (binascii.Error, UnicodeDecodeError):
            return None
    return None
