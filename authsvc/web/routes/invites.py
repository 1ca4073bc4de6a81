"""The invites blueprint: a person's own code, its arrivals, and checking a code. Native shape only."""

from collections.abc import Mapping
from typing import Any

from flask import Blueprint
from marshmallow import Schema, fields

from authsvc.values.sessions import Caller
from authsvc.web.access import services
from authsvc.web.contracts.native import NATIVE, envelope, enveloped
from authsvc.web.routing import Operation, View, add
from authsvc.web.schemas import NUMBER, Body, Text
from authsvc.web.who import PERSON, PUBLIC, Who

invites = Blueprint("invites", __name__)


class NativeInvite(Schema):
    """The caller's own code; times in seconds since 1970 UTC, null if there is no limit or expiry."""

    invite_code = fields.String(required=True)
    uses = fields.Integer(required=True)
    max_uses = fields.Integer(required=True, allow_none=True)
    expires_at = fields.Integer(required=True, allow_none=True)
    status = fields.String(required=True, metadata={"enum": ["valid", "disabled", "used_up"]})
    invited_at = fields.Integer(
        required=True, allow_none=True, metadata={"description": "when the caller came with somebody's code, if ever"}
    )


class NativeArrival(Schema):
    """A person who came with one of the caller's codes."""

    number = fields.Integer(required=True, metadata={"description": "1 is the first person who came"})
    at = fields.Integer(required=True, metadata={"description": "seconds since 1970 UTC"})


class NativeArrivals(Schema):
    """The arrivals with the caller's codes: how many, and up to fifty of the last thousand, latest first."""

    count = fields.Integer(required=True)
    arrivals = fields.List(fields.Nested(NativeArrival()), required=True)
    next = fields.Integer(
        required=True, allow_none=True, metadata={"description": "send as `before` for the next page; null: no more"}
    )


class NativeInviteCheck(Schema):
    """Whether a code is valid at the moment."""

    status = fields.String(required=True, metadata={"enum": ["valid", "unknown", "disabled", "expired", "used_up"]})


class ArrivalsQuery(Body):
    """Where to continue."""

    before = Text(15, NUMBER, description="only those with a lower number")


class CheckQuery(Body):
    """The code to check."""

    invite_code = Text(64, required=True, description="the code to look up")


def _own(caller: Caller) -> Mapping[str, Any]:
    service = services().invites
    own = service.own_code(caller.user.id)
    return envelope(
        {
            "invite_code": own.code,
            "uses": own.uses,
            "max_uses": own.max_uses,
            "expires_at": own.expires_at,
            "status": service.state(own),
            "invited_at": service.invited_at(caller.user.id),
        }
    )


def _arrivals(caller: Caller, body: dict[str, Any]) -> Mapping[str, Any]:
    found = services().invites.arrivals(caller.user.id, int(body["before"]) if "before" in body else None)
    return envelope(
        {
            "count": found.count,
            "arrivals": [{"number": number, "at": at} for number, at in found.latest],
            "next": found.latest[-1][0] if found.has_more else None,
        }
    )


def _check(body: dict[str, Any]) -> Mapping[str, Any]:
    return envelope({"status": services().invites.check(body["invite_code"])})


def _add(rule: str, view: View, who: Who, summary: str, answer: Schema, **options: Any) -> None:
    data = fields.Nested(answer, required=True)
    named = enveloped(f"{type(answer).__name__}Answer", data)
    add(invites, "GET", rule, Operation(NATIVE, who, summary, named, tag="invites", **options), view)


_add("/api/v1/me/invite", _own, PERSON, "The caller's invite code, created on the first request", NativeInvite())
_add(
    "/api/v1/me/invite/arrivals",
    _arrivals,
    PERSON,
    "Arrivals with the caller's codes, by number and time only",
    NativeArrivals(),
    fields=ArrivalsQuery(),
)
_add(
    "/api/v1/invites/check",
    _check,
    PUBLIC,
    "Check whether an invite code is valid",
    NativeInviteCheck(),
    fields=CheckQuery(),
    limited="invite",
)
