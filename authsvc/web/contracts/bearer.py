"""Front ends with one-tap phone login: only a token on success, ``{"detail": …}`` on failure."""

from typing import Any

from marshmallow import Schema, fields

from authsvc.clock import DAY
from authsvc.errors import (
    AccountDisabled,
    AuthSvcError,
    InvalidRequest,
    LoginCodeInvalid,
    LoginCodeUsed,
    MalformedBody,
    Unauthenticated,
    WeChatBadAnswer,
    WeChatUnknownError,
)
from authsvc.values.pictures import CodePicture
from authsvc.values.sessions import LoginResult, TokenPolicy
from authsvc.web.contracts.shape import INVITE, Contract, Problem, Route, invite_view, phone_login
from authsvc.web.schemas import PhoneLoginFields

_POLICY = TokenPolicy("bearer", lifetime=7 * DAY, idle=30 * DAY)


class MpLogin(PhoneLoginFields):
    """The code of wx.login and the result of the phone button."""


class MpToken(Schema):
    """The answer to a login."""

    access_token = fields.String(required=True)
    token_type = fields.String(required=True, metadata={"enum": ["bearer"]})
    openid = fields.String(required=True)
    invite = INVITE


class Detail(Schema):
    """A failure."""

    detail = fields.String(required=True)


def _render(result: LoginResult) -> dict[str, Any]:
    return {"access_token": result.token.text, "token_type": "bearer", "openid": result.openid, **invite_view(result)}


def _render_error(problem: Problem) -> dict[str, Any]:
    return {"detail": problem.text}


def _login(rule: str) -> Route:
    return Route(
        use="login",
        method="POST",
        rule=rule,
        summary="Sign in with one tap on the phone button",
        fields=MpLogin(),
        parse=phone_login,
        answer=MpToken(),
        render=_render,
        policy=_POLICY,
    )


class CodeAddress(Schema):
    """The address of the picture."""

    qr_code_url = fields.String(required=True, metadata={"description": "full address"})


class CodeAnswer(Schema):
    """The picture's address; or, also with HTTP 200, ``code`` 500 and no data."""

    code = fields.Integer(required=True, metadata={"enum": [200, 500]})
    message = fields.String(required=True)
    data = fields.Nested(CodeAddress(), required=True, allow_none=True)


def _render_code(picture: CodePicture) -> dict[str, Any]:
    return {"code": 200, "message": "二维码生成成功", "data": {"qr_code_url": picture.url}}


def _render_code_error(problem: Problem) -> dict[str, Any]:
    if problem.status == 200:
        return {"code": 500, "message": "二维码生成失败", "data": None}
    return _render_error(problem)


BEARER = Contract(
    name="bearer",
    prefixes=("/auth/", "/mp_login", "/generate_qrcode"),
    render_error=_render_error,
    error_answer=Detail(),
    statuses={
        InvalidRequest: 422,
        MalformedBody: 422,
        LoginCodeInvalid: 400,
        LoginCodeUsed: 400,
        WeChatBadAnswer: 503,
        WeChatUnknownError: 503,
    },
    routes=(_login("/auth/mp_login"), _login("/mp_login")),
)

# The only route of these front ends that reports failures with HTTP 200, except to callers that are not signed in.
BEARER_CODE = Contract(
    name="bearer",
    prefixes=(),
    render_error=_render_code_error,
    error_answer=Detail(),
    statuses={AuthSvcError: 200, Unauthenticated: 401, AccountDisabled: 403},
    routes=(
        Route(
            use="own_qrcode",
            method="GET",
            rule="/generate_qrcode",
            summary="The mini-program code of the caller's invite code",
            answer=CodeAnswer(),
            render=_render_code,
        ),
    ),
)
