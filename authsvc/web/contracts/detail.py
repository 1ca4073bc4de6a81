"""Front ends that sign in, and register new people with a ticket: ``{"detail": …}`` on failure."""

import re
from typing import Any, ClassVar

from marshmallow import Schema, fields, validate

from authsvc.clock import DAY
from authsvc.errors import (
    IdentityTaken,
    InvalidRequest,
    InviteRequired,
    LoginCodeInvalid,
    LoginCodeUsed,
    PhoneBudgetExhausted,
    PhoneCodeInvalid,
    PhoneTaken,
    SessionKeyStale,
    TicketInvalid,
    WeChatError,
    WeChatNoAnswer,
    WeChatRateLimited,
    WeChatUnknownError,
    WeChatUnreachable,
    WeChatUserBlocked,
)
from authsvc.services import numbers
from authsvc.values.people import PhoneNumber
from authsvc.values.sessions import LoginResult, Stranger, TokenPolicy
from authsvc.web.contracts.shape import INVITE, Contract, Problem, Route, invite_view
from authsvc.web.schemas import Body, CodeField, Integer, InviteField, Text

_POLICY = TokenPolicy("detail", lifetime=7 * DAY, idle=30 * DAY)
# Exactly these digits: \d would accept full-width ones, and an unanchored pattern other text around them.
_MAINLAND_MOBILE = re.compile(r"1[3-9][0-9]{9}\Z")
# The texts that the front end expects, or our own.
_REGISTRATION = {
    TicketInvalid: "openid无效",
    PhoneTaken: "手机号已存在",
    IdentityTaken: "该微信已绑定用户",
    InviteRequired: "",
}


class WxLoginQuery(Body):
    """The code of wx.login."""

    code = CodeField(required=True)
    invite_code = InviteField()


class WxPhoneQuery(Body):
    """The code of the phone button, optionally with the ticket of the person, for whom the call then counts."""

    code = CodeField(required=True)
    openid = Text(2048, description="the ticket from GET /wx/login, which is not used up; or send a token instead")


class WxRegister(Body):
    """The ticket in place of the openid, and the person's input."""

    openid = Text(2048, required=True, description="the ticket from GET /wx/login")
    phone = Text(11, _MAINLAND_MOBILE, required=True)
    sex = Integer(required=True, validate=validate.OneOf([0, 1, 2], error="malformed"))
    invite_code = InviteField()


class WxKnown(Schema):
    """A known person's token, or a new person's ticket under the name ``openid``."""

    token = fields.String()
    user_id = fields.String()
    openid = fields.String(metadata={"description": "a sealed ticket: ten minutes, one use"})
    invite = INVITE


class WxRegistered(Schema):
    """A new user."""

    id = fields.String(required=True)
    phone = fields.String(required=True)
    sex = fields.Integer(required=True)
    token = fields.String(required=True)
    invite = INVITE


class WxPhone(Schema):
    """The number behind a code of the phone button."""

    phone = fields.String(required=True)


class DetailError(Schema):
    """A failure: ``detail``, or reasons per field, also unknown ones, or ``non_field_errors``."""

    constraints: ClassVar[dict[str, Any]] = {"additionalProperties": {"type": "array", "items": {"type": "string"}}}

    detail = fields.String()
    non_field_errors = fields.List(fields.String())
    phone = fields.List(fields.String())
    openid = fields.List(fields.String())
    sex = fields.List(fields.String())
    invite_code = fields.List(fields.String())


def _parse_login(data: dict[str, Any]) -> dict[str, Any]:
    return {"code": data["code"], "registers": False}


def _render_login(result: LoginResult | Stranger) -> dict[str, Any]:
    if isinstance(result, Stranger):
        return {"openid": result.ticket}
    return {"token": result.token.text, "user_id": str(result.user.id), **invite_view(result)}


def _parse_register(data: dict[str, Any]) -> dict[str, Any]:
    phone = numbers.mainland(data["phone"])
    if phone is None:
        raise InvalidRequest("phone", fields={"phone": ["malformed"]})
    return {"ticket_text": data["openid"], "phone": phone, "gender": data["sex"]}


def _render_register(result: LoginResult) -> dict[str, Any]:
    claimed = result.user.claimed_phone or ""
    return {
        "id": str(result.user.id),
        "phone": claimed.removeprefix("+86"),
        "sex": result.user.profile.gender or 0,
        "token": result.token.text,
        **invite_view(result),
    }


def _render_phone(phone: PhoneNumber) -> dict[str, Any]:
    # Front ends of this contract expect mainland numbers; a foreign one has its country code.
    return {"phone": phone.national if phone.country_code == "86" else phone.e164}


def _render_error(problem: Problem) -> dict[str, Any]:
    error = problem.error
    if isinstance(error, InvalidRequest):
        if "code" in problem.fields:
            return {"detail": "缺少code"}
        return {name: [reason] for name, reason in problem.fields.items()}
    for kind, sentence in _REGISTRATION.items():
        if isinstance(error, kind):
            return {"non_field_errors": [sentence or problem.message]}
    if isinstance(error, WeChatNoAnswer | WeChatUnreachable):
        return {"detail": "WX服务器异常"}
    if isinstance(error, PhoneCodeInvalid):
        return {"detail": error.errmsg or problem.message}
    if isinstance(error, WeChatError):
        return {"detail": error.errmsg or "WX登录失败"}
    return {"detail": problem.text}


DETAIL = Contract(
    name="detail",
    prefixes=("/wx/",),
    render_error=_render_error,
    error_answer=DetailError(),
    statuses={
        LoginCodeInvalid: 503,
        LoginCodeUsed: 503,
        PhoneCodeInvalid: 503,
        PhoneBudgetExhausted: 503,
        SessionKeyStale: 503,
        WeChatUserBlocked: 503,
        WeChatRateLimited: 503,
        WeChatNoAnswer: 503,
        WeChatUnknownError: 503,
        TicketInvalid: 400,
        PhoneTaken: 400,
        IdentityTaken: 400,
        InviteRequired: 400,
    },
    routes=(
        Route(
            use="login",
            method="GET",
            rule="/wx/login",
            summary="Sign in with the code, or get a ticket to register with",
            fields=WxLoginQuery(),
            parse=_parse_login,
            answer=WxKnown(),
            render=_render_login,
            policy=_POLICY,
        ),
        Route(
            use="register",
            method="POST",
            rule="/wx/login",
            summary="Register with the ticket and a phone number",
            fields=WxRegister(),
            parse=_parse_register,
            answer=WxRegistered(),
            render=_render_register,
            policy=_POLICY,
            status=201,
        ),
        Route(
            use="look_up_phone",
            method="GET",
            rule="/wx/phone",
            summary="The number behind a code of the phone button",
            fields=WxPhoneQuery(),
            answer=WxPhone(),
            render=_render_phone,
        ),
    ),
)
