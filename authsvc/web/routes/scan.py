"""Scan to sign in: the calls of the page, and of the phone that scans. Native shape only; 404 while it is off.

A cookie identifies the browser, so only JSON bodies are read: another site's form cannot send JSON, and its script
would need a CORS permission, which nobody gets here.
"""

import base64
from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, after_this_request, current_app, request
from marshmallow import fields

from authsvc.errors import NoSuchRoute, NotFound
from authsvc.services.signin.scans import POLL_SECONDS, Outcome, ScanSignIns
from authsvc.values.sessions import Caller
from authsvc.web import pictures
from authsvc.web.access import client_address, services, user_agent
from authsvc.web.contracts.native import NATIVE, NativeTokens, envelope, enveloped, tokens_view
from authsvc.web.routing import Operation, View, add
from authsvc.web.schemas import APPID, SCAN_ID, SCAN_TICKET, Body, Text
from authsvc.web.who import PERSON, PUBLIC, Who

scan_sign_ins = Blueprint("scan_sign_ins", __name__, url_prefix="/api/v1/scan-sign-ins")

# Longer than any attempt; afterwards the cookie is worthless.
_COOKIE_SECONDS = 600


class ScanStart(Body):
    """A browser's request to be signed in."""

    appid = Text(18, APPID, description="the mini program; default: the first")


class ScanPoll(Body):
    """One of this browser's attempts."""

    id = Text(64, SCAN_ID, required=True)


class ScanTicket(Body):
    """The ticket that the phone scanned."""

    ticket = Text(22, SCAN_TICKET, required=True, description="the scene of the code without its `t=`")


def _integer(description: str) -> fields.Integer:
    return fields.Integer(required=True, metadata={"description": description})


def _answer(name: str, **members: fields.Field[Any]) -> Any:
    data = Body.from_dict(dict(members), name=name)
    return enveloped(f"{name}Answer", fields.Nested(data(), required=True))


_STATES = ["pending", "scanned", "approved", "refused", "expired"]
_STARTED = _answer(
    "NativeScanStarted",
    id=fields.String(required=True),
    picture=fields.String(required=True, metadata={"description": "the mini-program code as a data: URL"}),
    expires_in=_integer("seconds"),
    poll_after=_integer("seconds"),
)
_PROGRESS = _answer(
    "NativeScanProgress",
    state=fields.String(required=True, metadata={"enum": _STATES}),
    expires_in=_integer("seconds"),
    poll_after=_integer("seconds"),
    tokens=fields.Nested(NativeTokens(), required=True, allow_none=True),
)
_CONSENT = _answer(
    "NativeScanConsent",
    device=fields.String(required=True, metadata={"description": "as the browser describes itself; may be empty"}),
    address=fields.String(required=True, allow_none=True, metadata={"description": "IP address of the browser"}),
    same_network=fields.Boolean(
        required=True, allow_none=True, metadata={"description": "whether this phone has the same address"}
    ),
    asked_at=_integer("seconds since 1970 UTC"),
    expires_in=_integer("seconds"),
)
_DECIDED = enveloped("NativeScanDecidedAnswer", fields.Raw(required=True, allow_none=True))


@scan_sign_ins.before_request
def _only_while_on() -> None:
    use_case()


def use_case() -> ScanSignIns:
    """Return the use case; raises NoSuchRoute while it is off."""
    found = services().scan_sign_ins
    if found is None:
        raise NoSuchRoute("SCAN_SIGN_IN_PAGE is not set")
    return found


# --- the browser --------------------------------------------------------------------------------------------


def _start(body: dict[str, Any]) -> Mapping[str, Any]:
    asked = use_case().start(body.get("appid"), user_agent(), client_address())
    _give_cookie(asked.id, asked.secret)
    picture = f"data:{pictures.TYPES[asked.ending]};base64,{base64.b64encode(asked.picture).decode()}"
    return envelope({"id": asked.id, "picture": picture, "expires_in": asked.expires_in, "poll_after": POLL_SECONDS})


def _poll(body: dict[str, Any]) -> Mapping[str, Any]:
    secret = request.cookies.get(_cookie(body["id"]))
    if secret is None:
        raise NotFound("not this browser's")
    progress = use_case().poll(body["id"], secret)
    tokens = None if progress.login is None else tokens_view(progress.login)["data"]
    return envelope(
        {
            "state": progress.state,
            "expires_in": progress.expires_in,
            "poll_after": POLL_SECONDS,
            "tokens": tokens,
        }
    )


def _cookie(scan_id: str) -> str:
    """Return the name of the attempt's cookie; each attempt has its own, so that two tabs do not interfere."""
    return f"scan_{scan_id[:16]}"


def _give_cookie(scan_id: str, secret: str) -> None:
    """Bind the attempt to this browser. Without a path, the cookie is only sent to sibling routes of this one."""

    @after_this_request
    def give(response: Response) -> Response:
        response.set_cookie(
            _cookie(scan_id),
            secret,
            max_age=_COOKIE_SECONDS,
            path=None,
            secure=current_app.config["SESSION_COOKIE_SECURE"],
            httponly=True,
            samesite="Strict",
        )
        return response


# --- the phone ----------------------------------------------------------------------------------------------


def _scan(caller: Caller, body: dict[str, Any]) -> Mapping[str, Any]:
    consent = use_case().scan(caller, body["ticket"], client_address())
    return envelope(
        {
            "device": consent.device,
            "address": consent.address,
            "same_network": consent.same_network,
            "asked_at": consent.asked_at,
            "expires_in": consent.expires_in,
        }
    )


def _decide(outcome: Outcome) -> View:
    def decide(caller: Caller, body: dict[str, Any]) -> Mapping[str, Any]:
        use_case().decide(caller, body["ticket"], outcome)
        return envelope(None)

    return decide


def _add(rule: str, view: View, who: Who, summary: str, answer: Any, asked: Body, **options: Any) -> None:
    operation = Operation(NATIVE, who, summary, answer, fields=asked, tag="scan to sign in", may_be_off=True, **options)
    add(scan_sign_ins, "POST", rule, operation, view)


_add("/start", _start, PUBLIC, "A mini-program code for this browser", _STARTED, ScanStart(), limited="signin")
_add("/poll", _poll, PUBLIC, "The current state; after the approval, the tokens, once", _PROGRESS, ScanPoll())
_add("/scan", _scan, PERSON, "What the caller is asked to approve", _CONSENT, ScanTicket())
_add("/approve", _decide("approved"), PERSON, "Sign that browser in", _DECIDED, ScanTicket(), step_up=True)
_add("/refuse", _decide("refused"), PERSON, "Do not sign that browser in", _DECIDED, ScanTicket())
