"""Front ends with one-tap phone login: a bare token on success, ``{"detail": …}`` on failure."""

from typing import Any

from marshmallow import Schema, fields

from authsvc.errors import (
    InvalidRequest,
    LoginCodeInvalid,
    LoginCodeUsed,
    MalformedBody,
    WeChatBadAnswer,
    WeChatUnknownError,
)
from authsvc.types import LoginResult, TokenPolicy
from authsvc.web.contracts.shape import DAY, Contract, Problem, Route, phone_login
from authsvc.web.schemas import PhoneLoginFields

_POLICY = TokenPolicy("bearer", lifetime=7 * DAY, idle=30 * DAY)


class MpLogin(PhoneLoginFields):
    """The code of wx.login and what the phone button gave."""


class MpToken(Schema):
    """What a login gives."""

    access_token = fields.String(required=True)
    token_type = fields.String(required=True, metadata={"enum": ["bearer"]})
    openid = fields.String(required=True)


class Detail(Schema):
    """A failure."""

    detail = fields.String(required=True)


def _render(result: LoginResult) -> dict[str, Any]:
    return {"access_token": result.token.text, "token_type": "bearer", "openid": result.openid}


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


BEARER = Contract(
    name="bearer",
    prefixes=("/auth/", "/mp_login", "/generate_qrcode", "/qrcodes/"),
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
