"""authsvc's own API: ``{"code": 0, "msg": "ok", "data": …, "request_id": …}`` under ``/api/v1``."""

from typing import Any, get_args

from marshmallow import Schema, fields

from authsvc.errors import Action, WeChatError, error_kinds
from authsvc.values.people import User
from authsvc.values.sessions import LoginResult
from authsvc.web.access import request_id
from authsvc.web.contracts.shape import INVITE, Contract, Problem, Route, invite_view, what_came_sealed
from authsvc.web.schemas import APPID, CONSENT_VERSION, Body, Boolean, CodeField, EncryptedFields, InviteField, Text


class NativeLogin(EncryptedFields):
    """Sign in with a code, and optionally with the phone's encrypted and signed data."""

    code = CodeField(required=True)
    appid = Text(18, APPID, description="the mini program; default: the one in WeChat's Referer, then the first")
    phoneCode = CodeField(description="e.detail.code of the phone button: signs in and binds the number in one call")
    expectsPhone = Boolean(description="encryptedData comes from the phone button: bind its number")
    invite_code = InviteField()
    consentVersion = Text(40, CONSENT_VERSION, description="version of the privacy terms that the person agrees to")
    reopen = Boolean(description="reopen a closed account that is not erased yet")


class NativeUser(Schema):
    """A person's own view of themselves."""

    id = fields.String(required=True)
    nickname = fields.String(required=True, allow_none=True)
    avatar_url = fields.String(required=True, allow_none=True)
    gender = fields.Integer(required=True, allow_none=True)
    phone = fields.String(required=True, allow_none=True, metadata={"description": "verified, in E.164"})
    created_at = fields.Integer(required=True, metadata={"description": "seconds since 1970 UTC"})


class NativeTokens(Schema):
    """The answer to a login or a refresh."""

    access_token = fields.String(required=True)
    token_type = fields.String(required=True, metadata={"enum": ["Bearer"]})
    expires_in = fields.Integer(required=True, metadata={"description": "seconds"})
    refresh_token = fields.String(required=True, metadata={"description": "valid once; a refresh returns the next one"})
    is_new_user = fields.Boolean(required=True)
    user = fields.Nested(NativeUser(), required=True)


class NativeLoginTokens(NativeTokens):
    """The answer to a login."""

    invite = INVITE


class NativeError(Schema):
    """The native envelope around an error: ``code`` is the HTTP status, ``error`` a stable name."""

    code = fields.Integer(required=True)
    msg = fields.String(required=True)
    data = fields.Raw(required=True, allow_none=True)
    error = fields.String(required=True, metadata={"enum": [kind.error for kind in error_kinds()]})
    action = fields.String(required=True, metadata={"enum": list(get_args(Action))})
    fields_ = fields.Dict(
        keys=fields.String(),
        values=fields.String(),
        data_key="fields",
        metadata={"description": "the reason per field, if fields are wrong"},
    )
    wechat_errcode = fields.Integer(metadata={"description": "WeChat's errcode, if WeChat refused: for developers"})
    request_id = fields.String(required=True)


def enveloped(name: str, data: fields.Field[Any]) -> Schema:
    """Return the schema of a success whose ``data`` is this field."""
    members: dict[str, Any] = {
        "code": fields.Integer(required=True),
        "msg": fields.String(required=True),
        "data": data,
        "request_id": fields.String(required=True),
    }
    return Schema.from_dict(members, name=name)()


def envelope(data: Any) -> dict[str, Any]:
    """Wrap the data of a success."""
    return {"code": 0, "msg": "ok", "data": data, "request_id": request_id()}


def user_view(user: User) -> dict[str, Any]:
    """Return a user as NativeUser; the id is text, as in the token's ``sub``."""
    profile = user.profile
    return {
        "id": str(user.id),
        "nickname": profile.nickname,
        "avatar_url": profile.avatar_url,
        "gender": profile.gender,
        "phone": user.phone.e164 if user.phone else None,
        "created_at": user.created_at,
    }


def tokens_view(result: LoginResult) -> dict[str, Any]:
    """Return the result of a login or refresh in the envelope."""
    return envelope(
        {
            "access_token": result.token.text,
            "token_type": "Bearer",
            "expires_in": result.token.expires_in,
            "refresh_token": result.refresh_token,
            "is_new_user": result.is_new,
            "user": user_view(result.user),
        }
    )


def _login_view(result: LoginResult) -> dict[str, Any]:
    tokens = tokens_view(result)
    return {**tokens, "data": {**tokens["data"], **invite_view(result)}}


def _parse_login(data: dict[str, Any]) -> dict[str, Any]:
    return {
        "code": data["code"],
        "appid": data.get("appid"),
        "phone_code": data.get("phoneCode"),
        "expects_phone": data.get("expectsPhone", False),
        "consent_version": data.get("consentVersion"),
        "reopens": data.get("reopen", False),
        **what_came_sealed(data),
    }


def _render_error(problem: Problem) -> dict[str, Any]:
    body: dict[str, Any] = {
        "code": problem.status,
        "msg": problem.message,
        "data": None,
        "error": problem.error.error,
        "action": problem.error.action,
        "request_id": problem.request_id,
    }
    if problem.fields:
        body["fields"] = dict(problem.fields)
    if isinstance(problem.error, WeChatError) and problem.error.errcode is not None:
        body["wechat_errcode"] = problem.error.errcode
    return body


class NativeRefresh(Body):
    """The refresh token from the last login or refresh."""

    refresh_token = Text(120, required=True)


TOKENS_ANSWER = enveloped("NativeTokensAnswer", fields.Nested(NativeTokens(), required=True))

NATIVE = Contract(
    name="native",
    prefixes=("/",),
    render_error=_render_error,
    error_answer=NativeError(),
    routes=(
        Route(
            use="login",
            method="POST",
            rule="/api/v1/auth/login",
            summary="Sign in with the code of wx.login",
            fields=NativeLogin(),
            parse=_parse_login,
            answer=enveloped("NativeLoginAnswer", fields.Nested(NativeLoginTokens(), required=True)),
            render=_login_view,
        ),
    ),
)
