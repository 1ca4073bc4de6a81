"""Front ends behind a cloud function: ``{"code": 200, "message": …, "data": …, "timestamp": …}``."""

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from marshmallow import Schema, fields

from authsvc.clock import DAY
from authsvc.errors import WeChatError
from authsvc.services.people import nicknames, profiles
from authsvc.values.people import Profile, User
from authsvc.values.sessions import Caller, LoginResult, TokenPolicy
from authsvc.web.contracts.shape import INVITE, Contract, Problem, Route, invite_view
from authsvc.web.schemas import Body, ClaimedNickname, CodeField, InviteField, Text

_POLICY = TokenPolicy("code_message_data", lifetime=7 * DAY, idle=30 * DAY, extra_claims=("openid", "nickname"))


class WxLoginFields(Body):
    """The code, and the profile that the person filled in."""

    code = CodeField(required=True)
    nickName = ClaimedNickname()
    avatarUrl = Text(1024, allow_none=True)
    invite_code = InviteField()


class CloudUser(Schema):
    """A person in this front end's form."""

    id = fields.String(required=True)
    openid = fields.String(required=True)
    nickname = fields.String(required=True, allow_none=True)
    avatar = fields.String(required=True, allow_none=True)
    created_at = fields.String(required=True, metadata={"format": "date-time"})


class CloudToken(Schema):
    """A new token."""

    access_token = fields.String(required=True)
    expires_in = fields.Integer(required=True)


class CloudLogin(CloudToken):
    """The answer to a login."""

    token_type = fields.String(required=True, metadata={"enum": ["Bearer"]})
    user = fields.Nested(CloudUser(), required=True)
    invite = INVITE


class CloudFarewell(Schema):
    """The answer to a logout."""

    message = fields.String(required=True)


class CodeMessageDataError(Schema):
    """A failure: ``code`` is the HTTP status and ``error`` its reason phrase."""

    code = fields.Integer(required=True)
    message = fields.String(required=True)
    error = fields.String(required=True)
    timestamp = fields.String(required=True, metadata={"format": "date-time"})


def _enveloped(data: Schema) -> Schema:
    members: dict[str, Any] = {
        "code": fields.Integer(required=True),
        "message": fields.String(required=True),
        "data": fields.Nested(data, required=True),
        "timestamp": fields.String(required=True, metadata={"format": "date-time"}),
    }
    return Schema.from_dict(members, name=f"{type(data).__name__}Answer")()


def _envelope(data: dict[str, Any], message: str = "success") -> dict[str, Any]:
    return {"code": 200, "message": message, "data": data, "timestamp": _iso(datetime.now(UTC))}


def _user_view(user: User, openid: str) -> dict[str, Any]:
    return {
        "id": str(user.id),
        "openid": openid,
        "nickname": user.profile.nickname,
        "avatar": user.profile.avatar_url,
        "created_at": _iso(datetime.fromtimestamp(user.created_at, UTC)),
    }


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")


def _parse_login(data: dict[str, Any]) -> dict[str, Any]:
    filled_in = Profile(nicknames.usable(data.get("nickName")), profiles.https_url(data.get("avatarUrl")))
    return {"code": data["code"], "claimed": filled_in}


def _render_login(result: LoginResult) -> dict[str, Any]:
    return _envelope(
        {
            "access_token": result.token.text,
            "token_type": "Bearer",
            "expires_in": result.token.expires_in,
            "user": _user_view(result.user, result.openid),
            **invite_view(result),
        }
    )


def _render_renewed(result: LoginResult) -> dict[str, Any]:
    return _envelope({"access_token": result.token.text, "expires_in": result.token.expires_in})


def _render_profile(caller: Caller) -> dict[str, Any]:
    return _envelope(_user_view(caller.user, caller.openid))


def _render_logout(_: object) -> dict[str, Any]:
    return _envelope({"message": "退出成功"}, "退出成功")


def _render_error(problem: Problem) -> dict[str, Any]:
    return {
        "code": problem.status,
        "message": _text(problem),
        "error": HTTPStatus(problem.status).phrase,
        "timestamp": _iso(datetime.now(UTC)),
    }


def _text(problem: Problem) -> str:
    """Return the sentence: these front ends show WeChat's own text, if people may see it, and its errcode."""
    error = problem.error
    if not isinstance(error, WeChatError):
        return problem.text
    if error.errcode is None:
        return f"微信登录失败: {problem.message}"
    return f"微信登录失败: {error.errmsg or problem.message} (错误码: {error.errcode})"


CODE_MESSAGE_DATA = Contract(
    name="code_message_data",
    prefixes=(
        "/api/v1/auth/wx-login",
        "/api/v1/auth/refresh",
        "/api/v1/auth/logout",
        "/api/v1/user/",
    ),
    render_error=_render_error,
    error_answer=CodeMessageDataError(),
    routes=(
        Route(
            use="login",
            method="POST",
            rule="/api/v1/auth/wx-login",
            summary="Sign in with the code and the profile that the person filled in",
            fields=WxLoginFields(),
            parse=_parse_login,
            answer=_enveloped(CloudLogin()),
            render=_render_login,
            policy=_POLICY,
        ),
        Route(
            use="renew",
            method="POST",
            rule="/api/v1/auth/refresh",
            summary="Get a new token for the latest one, which may have expired",
            answer=_enveloped(CloudToken()),
            render=_render_renewed,
            policy=_POLICY,
        ),
        Route(
            use="profile",
            method="GET",
            rule="/api/v1/user/profile",
            summary="The caller's profile",
            answer=_enveloped(CloudUser()),
            render=_render_profile,
        ),
        Route(
            use="log_out",
            method="POST",
            rule="/api/v1/auth/logout",
            summary="End this session",
            answer=_enveloped(CloudFarewell()),
            render=_render_logout,
        ),
    ),
)
