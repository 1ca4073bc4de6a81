"""Introspection (RFC 7662) and revocation (RFC 7009) of tokens, for other services with a credential."""

from collections.abc import Mapping
from typing import Any, ClassVar

from flask import Blueprint
from marshmallow import Schema, fields

from authsvc.values.operator import ServiceScope
from authsvc.values.sessions import LiveToken
from authsvc.web.access import services
from authsvc.web.contracts.oauth import OAUTH
from authsvc.web.routing import Operation, add
from authsvc.web.who import Service

oauth = Blueprint("oauth", __name__)


class TokenForm(Schema):
    """A token of any kind. The hint has no effect: every kind is tried. Other members are ignored (RFC 6749 §3.2)."""

    constraints: ClassVar[dict[str, Any]] = {"additionalProperties": True}
    token = fields.String(required=True, metadata={"description": "access token or refresh token"})
    token_type_hint = fields.String()


class Introspected(Schema):
    """Whether a token would be accepted now; if so, with further members, for an access token its claims."""

    active = fields.Boolean(required=True)
    token_type = fields.String(metadata={"enum": ["Bearer", "refresh_token"]})
    iss = fields.String(metadata={"format": "uri"})
    sub = fields.String(metadata={"description": "the user's id"})
    client_id = fields.String(metadata={"description": "the mini program's AppID"})
    sid = fields.String(metadata={"description": "the session"})
    aud = fields.String()
    appid = fields.String()
    exp = fields.Integer()
    iat = fields.Integer()
    jti = fields.String()


class Revoked(Schema):
    """An empty answer: a token that is already invalid counts as revoked."""


def _introspect(body: dict[str, Any], service: str) -> Mapping[str, Any]:
    found = services().introspection.look_at(body["token"])
    return {"active": False} if found is None else _view(found)


def _view(token: LiveToken) -> dict[str, Any]:
    claims = token.claims
    view: dict[str, Any] = {
        "active": True,
        "token_type": "refresh_token" if claims is None else "Bearer",
        "iss": services().introspection.issuer,
        "sub": str(token.user_id),
        "client_id": token.appid,
        "sid": token.session_id,
    }
    if claims is None:
        return view
    of_access = {"appid": claims.appid, "aud": claims.audience, "exp": claims.expires_at, "iat": claims.issued_at}
    return {**view, **of_access, "jti": claims.jti}


def _revoke(body: dict[str, Any], service: str) -> Mapping[str, Any]:
    services().introspection.revoke(body["token"], service)
    return {}


def _operation(summary: str, answer: Schema, scope: ServiceScope) -> Operation:
    return Operation(OAUTH, Service(scope), summary, answer, fields=TokenForm(), form=True, tag="oauth")


_INTROSPECT = _operation("Check whether a token is valid (RFC 7662)", Introspected(), "introspect")
_REVOKE = _operation("End the session of a token (RFC 7009)", Revoked(), "revoke")
add(oauth, "POST", "/oauth/introspect", _INTROSPECT, _introspect)
add(oauth, "POST", "/oauth/revoke", _REVOKE, _revoke)
