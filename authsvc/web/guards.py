"""The guards enforce who may enter a route (``who.py``). Only ``routing.py`` calls them."""

import base64
import binascii
import re
from typing import Any, assert_never

from flask import current_app, request

from authsvc import context
from authsvc.errors import ForeignPage, InvalidRequest, NoSuchRoute, NotPermitted, StepUpRequired, Unauthenticated
from authsvc.signing.tokens import TokenChecker
from authsvc.values.limits import LimitedKind
from authsvc.values.operator import SignedInOperator
from authsvc.values.sessions import Caller, VerifiedClaims
from authsvc.web import bodies, consolecookie, origins, ratelimits
from authsvc.web.access import services
from authsvc.web.schemas import CODE
from authsvc.web.who import Operator, Person, Public, Service, Who

STEP_UP_HEADER = "Step-Up-Code"
CSRF_MEMBER = "csrf"
_READING = ("GET", "HEAD")
# The scheme is case-insensitive (RFC 9110 §11.1), and some front ends write it in lower case.
_BEARER = re.compile(r"bearer +(\S+) *\Z", re.IGNORECASE)
_BASIC = re.compile(r"basic +([A-Za-z0-9+/=]+) *\Z", re.IGNORECASE)


def enter(who: Who, kind: LimitedKind) -> dict[str, Any]:
    """Count this request as one of ``kind``, and return what is known about the caller, by the names of ``who.py``.

    Raises TooManyRequests. For a person: Unauthenticated without a valid token, SessionEnded after a logout, or
    AccountDisabled. For a service: Unauthenticated, NotPermitted without the scope, NoSuchRoute if it is hidden. For an
    operator: Unauthenticated, NotPermitted without the role, ForeignPage for a write that another page may have sent.
    """
    ratelimits.at_the_door(kind, knows_callers=not isinstance(who, Public))
    match who:
        case Public():
            return {"caller": _caller_if_any(kind)} if who.knows_people else {}
        case Person():
            return {"claims": _expired(kind)} if who.may_be_expired else {"caller": _caller(kind)}
        case Service():
            return {"service": _service(who, kind)}
        case Operator():
            return {"operator": _operator(who, kind)}
    assert_never(who)


def step_up(caller: Caller) -> None:
    """Check that the person makes the request, and not somebody who has their token.

    The header ``Step-Up-Code`` has a fresh code of ``wx.login``, which is rate-limited like the code of a login.
    Raises StepUpRequired without one, InvalidRequest, TooManyRequests, StepUpMismatch, or a WeChatError.
    """
    code = request.headers.get(STEP_UP_HEADER)
    if code is None:
        raise StepUpRequired("no code of wx.login")
    if not CODE.match(code):
        raise InvalidRequest("header", fields={STEP_UP_HEADER: ["malformed"]})
    ratelimits.by_user("login", caller.user.id)
    ratelimits.by_app("login", caller.session.appid)
    services().step_up.prove(caller, code)


def _caller(kind: LimitedKind) -> Caller:
    with ratelimits.counting_strangers(kind):
        found = services().sessions.authenticate(_claims())
    context.appid.set(found.session.appid)
    ratelimits.by_user(kind, found.user.id)
    return found


def _caller_if_any(kind: LimitedKind) -> Caller | None:
    """Return the caller, or None: an invalid token is no reason for a refusal if none is needed."""
    if "Authorization" not in request.headers:
        return None
    try:
        return _caller(kind)
    except Unauthenticated:
        return None


def _expired(kind: LimitedKind) -> VerifiedClaims:
    with ratelimits.counting_strangers(kind):
        found = _claims(allow_expired=True)
    context.appid.set(found.appid)
    ratelimits.by_user(kind, found.user_id)
    return found


def _claims(*, allow_expired: bool = False) -> VerifiedClaims:
    match = _BEARER.match(request.headers.get("Authorization", ""))
    if match is None:
        raise Unauthenticated("no bearer token")
    checker: TokenChecker = current_app.extensions["authsvc-tokens"]
    return checker.check(match[1], allow_expired=allow_expired)


def _service(who: Service, kind: LimitedKind) -> str:
    try:
        with ratelimits.counting_strangers(kind):
            credential = _credential(request.headers.get("Authorization", ""))
            name = services().service_credentials.check(credential, who.scope)
    except NoSuchRoute as no_credential_exists:
        if who.hidden:
            raise
        raise Unauthenticated(str(no_credential_exists)) from None
    ratelimits.by_service(kind, name)
    return name


def _operator(who: Operator, kind: LimitedKind) -> SignedInOperator:
    with ratelimits.counting_strangers(kind):
        found = _in_a_browser() if who.page else _with_credential()
    ratelimits.by_operator(kind, found.name)
    if request.method not in _READING:
        _refuse_foreign_write(who)
    if not found.may(who.role):
        raise NotPermitted(f"operator {found.name} is {found.role}, not {who.role}")
    return found


def _in_a_browser() -> SignedInOperator:
    return services().operators.of_session(consolecookie.shown())


def _with_credential() -> SignedInOperator:
    match = _BEARER.match(request.headers.get("Authorization", ""))
    return services().operators.of_credential(match[1] if match else None)


def _refuse_foreign_write(who: Operator) -> None:
    """Raise ForeignPage unless a form of this session's page sent it, or to the API, no page at all."""
    if not who.page:
        origins.refuse_pages()
        return
    origins.refuse_other_sites()
    if not services().operators.is_own_form(consolecookie.shown() or "", bodies.form_member(CSRF_MEMBER)):
        raise ForeignPage("not a form of this session")


def _credential(header: str) -> str | None:
    """Return ``name.secret``, sent as a bearer token or as HTTP Basic (name as user, secret as password)."""
    if match := _BEARER.match(header):
        return match[1]
    if match := _BASIC.match(header):
        try:
            return base64.b64decode(match[1], validate=True).decode("ascii").replace(":", ".", 1)
        except (binascii.Error, UnicodeDecodeError):
            return None
    return None
