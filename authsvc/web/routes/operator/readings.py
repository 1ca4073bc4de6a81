"""The operator API about everything else: campaigns, figures by day, WeChat's errors, and how the service is."""

from collections.abc import Mapping
from dataclasses import asdict
from itertools import islice
from typing import Any

from flask import Blueprint
from marshmallow import Schema, fields

from authsvc.clock import iso_day
from authsvc.errors import NotFound
from authsvc.services.invites.campaigns import BATCH_NAME, BadCampaign
from authsvc.values.operator import ByDay, SignedInOperator
from authsvc.web.access import services
from authsvc.web.contracts.native import NATIVE, envelope, enveloped
from authsvc.web.routing import Operation, View, add
from authsvc.web.schemas import NUMBER, Body, Text
from authsvc.web.who import Operator

operator_readings = Blueprint("operator-readings", __name__, url_prefix="/operator/v1")

_MOST_CODES = 200


class BatchQuery(Body):
    """One campaign."""

    batch = Text(40, BATCH_NAME, description="name of a batch of codes; default: all")


class CodesQuery(BatchQuery):
    """Whose codes."""

    owner = Text(18, NUMBER, description="id of the inviter")


class OperatorCampaign(Schema):
    """The codes of one batch, counted; a code may count in several columns."""

    batch = fields.String(required=True, allow_none=True, metadata={"description": "null: codes without a batch"})
    codes = fields.Integer(required=True)
    owned = fields.Integer(required=True)
    uses = fields.Integer(required=True)
    used_up = fields.Integer(required=True)
    expired = fields.Integer(required=True)
    disabled = fields.Integer(required=True)


class OperatorInvite(Schema):
    """An invite code."""

    code = fields.String(required=True)
    batch = fields.String(required=True, allow_none=True)
    owner = fields.String(required=True, allow_none=True, metadata={"description": "id of the inviter"})
    uses = fields.Integer(required=True)
    max_uses = fields.Integer(required=True, allow_none=True)
    created_at = fields.Integer(required=True)
    expires_at = fields.Integer(required=True, allow_none=True)
    state = fields.String(required=True, metadata={"enum": ["open", "disabled", "expired", "used_up"]})


class OperatorDay(Schema):
    """How many on one day."""

    day = fields.Date(required=True, metadata={"description": "in China"})
    count = fields.Integer(required=True)


class OperatorByDay(Schema):
    """Counts by day, oldest first; the last day is today."""

    days = fields.List(fields.Nested(OperatorDay()), required=True)
    total = fields.Integer(required=True)
    cut = fields.Boolean(required=True, metadata={"description": "earlier days are left out: too much to count"})


class OperatorReadings(Schema):
    """The figures of the last thirty days."""

    sign_ups = fields.Nested(OperatorByDay(), required=True)
    invited = fields.Nested(OperatorByDay(), required=True)


class OperatorHour(Schema):
    """How many calls to WeChat failed in one hour."""

    at = fields.Integer(required=True, metadata={"description": "its beginning, seconds since 1970 UTC"})
    calls = fields.Integer(required=True)


class OperatorWeChatError(Schema):
    """How many calls failed in one way."""

    appid = fields.String(required=True, metadata={"description": "empty: not known"})
    endpoint = fields.String(required=True)
    error = fields.String(required=True)
    errcode = fields.Integer(required=True, metadata={"description": "0: WeChat gave none"})
    calls = fields.Integer(required=True)
    latest = fields.Integer(required=True, metadata={"description": "the last hour in which one did"})


class OperatorWeChatErrors(Schema):
    """The calls to WeChat that failed in the last 24 hours."""

    hours = fields.List(fields.Nested(OperatorHour()), required=True)
    errors = fields.List(fields.Nested(OperatorWeChatError()), required=True)


class OperatorLine(Schema):
    """A line of the doctor."""

    check = fields.String(required=True)
    status = fields.String(required=True, metadata={"enum": ["ok", "warning", "wrong", "skipped"]})
    says = fields.String(required=True)
    todo = fields.String(required=True)


class OperatorHealth(Schema):
    """Whether this instance can do its work, and what the doctor's quick checks say; a minute old at most."""

    ready = fields.Boolean(required=True)
    checks = fields.Dict(keys=fields.String(), values=fields.Boolean(), required=True)
    lines = fields.List(fields.Nested(OperatorLine()), required=True)


def _campaigns(operator: SignedInOperator) -> Mapping[str, Any]:
    return envelope({"campaigns": [asdict(batch) for batch in services().campaigns.stats()]})


def _invites(operator: SignedInOperator, body: dict[str, Any]) -> Mapping[str, Any]:
    """Return the first two hundred codes, in the order of their creation."""
    campaigns = services().campaigns
    owner_id = int(body["owner"]) if "owner" in body else None
    try:
        found = list(islice(campaigns.codes(batch=body.get("batch"), owner_id=owner_id), _MOST_CODES))
    except BadCampaign as none:
        raise NotFound(str(none)) from None
    codes = [
        {
            "code": invite.code,
            "batch": invite.batch,
            "owner": None if invite.owner_id is None else str(invite.owner_id),
            "uses": invite.uses,
            "max_uses": invite.max_uses,
            "created_at": invite.created_at,
            "expires_at": invite.expires_at,
            "state": campaigns.fault(invite) or "open",
        }
        for invite in found
    ]
    return envelope({"invites": codes})


def _readings(operator: SignedInOperator, body: dict[str, Any]) -> Mapping[str, Any]:
    readings = services().readings
    invited = readings.uses(body.get("batch"))
    return envelope({"sign_ups": _by_day(readings.sign_ups()), "invited": _by_day(invited)})


def _by_day(found: ByDay) -> dict[str, Any]:
    days = [{"day": iso_day(day), "count": count} for day, count in found.days]
    return {"days": days, "total": found.total, "cut": found.is_cut}


def _wechat_errors(operator: SignedInOperator) -> Mapping[str, Any]:
    found = services().wechat_errors
    hours = [{"at": at, "calls": calls} for at, calls in found.by_hour()]
    errors = [{**asdict(count.kind), "calls": count.calls, "latest": count.latest} for count in found.of_the_last_day()]
    return envelope({"hours": hours, "errors": errors})


def _health(operator: SignedInOperator) -> Mapping[str, Any]:
    readiness = services().health.readiness()
    lines = [asdict(line) for line in services().examination.lines()]
    return envelope({"ready": all(readiness.checks.values()), "checks": readiness.checks, "lines": lines})


def _add(rule: str, view: View, summary: str, data: Schema, **options: Any) -> None:
    answer = enveloped(f"{type(data).__name__}Answer", fields.Nested(data, required=True))
    operation = Operation(
        NATIVE,
        Operator("read"),
        summary,
        answer,
        tag="operator",
        limited="operator",
        may_be_off=True,
        **options,
    )
    add(operator_readings, "GET", rule, operation, view)


def _listed(name: str, member: str, schema: Schema) -> Schema:
    return Schema.from_dict({member: fields.List(fields.Nested(schema), required=True)}, name=name)()


_CAMPAIGNS = _listed("OperatorCampaigns", "campaigns", OperatorCampaign())
_INVITES = _listed("OperatorInvites", "invites", OperatorInvite())
_add("/campaigns", _campaigns, "Campaigns with their counts", _CAMPAIGNS)
_add("/invites", _invites, "Invite codes of a campaign or a person", _INVITES, fields=CodesQuery(), refuses=(404,))
_add(
    "/readings",
    _readings,
    "People who registered, and who came with an invite, by day",
    OperatorReadings(),
    fields=BatchQuery(),
)
_add("/wechat-errors", _wechat_errors, "Calls to WeChat that failed in the last day", OperatorWeChatErrors())
_add("/health", _health, "Readiness, and the doctor's quick checks", OperatorHealth())
