"""Front ends that send the profile of getUserInfo: ``{"code": 200, "msg": …, "data": …}`` under ``/user``."""

from typing import Any

from marshmallow import INCLUDE, Schema, fields

from authsvc.clock import DAY
from authsvc.errors import LoginCodeInvalid, LoginCodeUsed, WeChatBadAnswer, WeChatUnknownError
from authsvc.values.sessions import LoginResult, TokenPolicy
from authsvc.web.contracts.shape import INVITE, Contract, Problem, Route, invite_view, what_came_sealed
from authsvc.web.schemas import Body, CodeField, EncryptedFields, InviteField, Nested

_POLICY = TokenPolicy("code_msg_data", lifetime=7 * DAY, idle=30 * DAY)


class WxLogin(Body):
    """The code and the result of ``wx.getUserInfo`` or ``wx.getUserProfile``."""

    platCode = CodeField(required=True)
    platUserInfoMap = Nested(EncryptedFields())
    invite_code = InviteField()


class WxLoginData(Schema):
    """The decrypted data in WeChat's form (absent without encryptedData), with the user and the token.

    WeChat may add members to a profile, and other kinds of data (phone, steps) have other members.
    """

    class Meta:
        unknown = INCLUDE

    openId = fields.String()
    nickName = fields.String()
    gender = fields.Integer()
    language = fields.String()
    city = fields.String()
    province = fields.String()
    country = fields.String()
    avatarUrl = fields.String()
    unionId = fields.String()
    watermark = fields.Dict()
    token = fields.String(required=True)
    token_type = fields.String(required=True, metadata={"enum": ["Bearer"]})
    expires_in = fields.Integer(required=True)
    user_id = fields.String(required=True)
    invite = INVITE


class WxLoginAnswer(Schema):
    """A success."""

    code = fields.Integer(required=True)
    msg = fields.String(required=True)
    data = fields.Nested(WxLoginData(), required=True)


class CodeMsgDataError(Schema):
    """A failure: ``code`` is the HTTP status."""

    code = fields.Integer(required=True)
    msg = fields.String(required=True)
    data = fields.Raw(required=True, allow_none=True)


def _parse(data: dict[str, Any]) -> dict[str, Any]:
    return {"code": data["platCode"], **what_came_sealed(data.get("platUserInfoMap", {}))}


def _render(result: LoginResult) -> dict[str, Any]:
    data = {
        **(result.opened or {}),
        "token": result.token.text,
        "token_type": "Bearer",
        "expires_in": result.token.expires_in,
        "user_id": str(result.user.id),
        **invite_view(result),
    }
    return {"code": 200, "msg": "登录成功", "data": data}


def _render_error(problem: Problem) -> dict[str, Any]:
    return {"code": problem.status, "msg": problem.text, "data": None}


CODE_MSG_DATA = Contract(
    name="code_msg_data",
    prefixes=("/user/",),
    render_error=_render_error,
    error_answer=CodeMsgDataError(),
    statuses={LoginCodeInvalid: 400, LoginCodeUsed: 400, WeChatBadAnswer: 503, WeChatUnknownError: 503},
    routes=(
        Route(
            use="login",
            method="POST",
            rule="/user/wxlogin",
            summary="Sign in with the code and the encrypted profile",
            fields=WxLogin(),
            parse=_parse,
            answer=WxLoginAnswer(),
            render=_render,
            policy=_POLICY,
        ),
    ),
)
