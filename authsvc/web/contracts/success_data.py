"""Front ends that try storage, then their token, then the login page: ``{"success": …, "data": …, "msg": …}``."""

from typing import Any

from marshmallow import Schema, fields

from authsvc.clock import DAY
from authsvc.errors import LoginCodeInvalid, LoginCodeUsed, WeChatBadAnswer, WeChatUnknownError
from authsvc.values.people import User
from authsvc.values.sessions import Caller, LoginResult, TokenPolicy
from authsvc.web.contracts.shape import INVITE, Contract, Problem, Route, invite_view, phone_login
from authsvc.web.schemas import PhoneLoginFields

# After each successful refresh, the front end uses its token for another 10,800 minutes before it asks again.
_CHECK_SECONDS = 10_800 * 60
_POLICY = TokenPolicy("success_data", lifetime=30 * DAY, idle=8 * DAY, least_left=_CHECK_SECONDS)


class WechatLogin(PhoneLoginFields):
    """The code of wx.login and the result of the phone button."""


class MemberData(Schema):
    """A person in this front end's form; token and invite only after a login."""

    id = fields.String(required=True)
    nickname = fields.String(required=True)
    avatar = fields.String(required=True)
    gender = fields.Integer(required=True)
    phone = fields.String(required=True, metadata={"description": "national digits; empty if none is verified"})
    countryCode = fields.String(required=True)
    token = fields.String()
    invite = INVITE


class MemberAnswer(Schema):
    """A success."""

    success = fields.Boolean(required=True)
    data = fields.Nested(MemberData(), required=True)
    msg = fields.String(required=True)


class SuccessDataError(Schema):
    """A failure."""

    success = fields.Boolean(required=True)
    data = fields.Raw(required=True, allow_none=True)
    msg = fields.String(required=True)


def _member(user: User) -> dict[str, Any]:
    return {
        "id": str(user.id),
        "nickname": user.profile.nickname or "",
        "avatar": user.profile.avatar_url or "",
        "gender": user.profile.gender or 0,
        "phone": user.phone.national if user.phone else "",
        "countryCode": user.phone.country_code if user.phone else "",
    }


def _render_login(result: LoginResult) -> dict[str, Any]:
    data = {**_member(result.user), "token": result.token.text, **invite_view(result)}
    return {"success": True, "data": data, "msg": ""}


def _render_extended(caller: Caller) -> dict[str, Any]:
    return {"success": True, "data": _member(caller.user), "msg": ""}


def _render_error(problem: Problem) -> dict[str, Any]:
    return {"success": False, "data": None, "msg": problem.text}


def _login(method: Any) -> Route:
    return Route(
        use="login",
        method=method,
        rule="/login/wechatLogin",
        summary="Sign in with one tap on the phone button",
        fields=WechatLogin(),
        parse=phone_login,
        answer=MemberAnswer(),
        render=_render_login,
        policy=_POLICY,
    )


SUCCESS_DATA = Contract(
    name="success_data",
    prefixes=("/login/", "/member/"),
    render_error=_render_error,
    error_answer=SuccessDataError(),
    statuses={LoginCodeInvalid: 400, LoginCodeUsed: 400, WeChatBadAnswer: 503, WeChatUnknownError: 503},
    routes=(
        _login("GET"),
        _login("POST"),
        Route(
            use="extend",
            method="GET",
            rule="/member/refreshToken",
            summary="The caller's profile; extends the session with the same token",
            answer=MemberAnswer(),
            render=_render_extended,
            policy=_POLICY,
        ),
    ),
)
