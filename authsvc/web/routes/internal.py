"""For the company's other services: calls that need AppSecret, so that only authsvc has it.

Off (404) until an operator creates a credential. A token comes in the two members of WeChat's own token endpoints, so a
client written for those works here too.
"""

from collections.abc import Mapping
from typing import Any, get_args

from flask import Blueprint
from marshmallow import Schema, fields, validate

from authsvc.values.operator import ServiceScope
from authsvc.values.pictures import PAGE, PAGE_CHARACTERS, SCENE, SCENE_CHARACTERS, EnvVersion
from authsvc.values.wechat import FetchedToken
from authsvc.web.access import services
from authsvc.web.contracts.native import NATIVE
from authsvc.web.routes.qrcode import PICTURE_ANSWER, CodeLook, picture_view
from authsvc.web.routing import Operation, View, add
from authsvc.web.schemas import APPID, TOKEN, Body, Boolean, Text
from authsvc.web.who import Service

internal = Blueprint("internal", __name__, url_prefix="/internal/v1")


class _Rejected(Body):
    """A token that WeChat has rejected (40001, 40014, 42001)."""

    appid = Text(18, APPID)
    access_token = Text(1024, TOKEN, required=True)


class LentToken(Schema):
    """The two members of WeChat's own token endpoints, without an envelope."""

    access_token = fields.String(required=True)
    expires_in = fields.Integer(required=True, metadata={"description": "remaining seconds"})


class _Wanted(Body):
    appid = Text(18, APPID, description="default: the first app")


class _Code(CodeLook):
    """The scene of a code and the page that it opens; defaults come from the settings."""

    scene = Text(SCENE_CHARACTERS, SCENE, required=True, description="WeChat's alphabet of 82 characters")
    appid = Text(18, APPID, description="default: the first app")
    page = Text(PAGE_CHARACTERS, PAGE, description="as in app.json; empty: the home page")
    env_version = fields.String(validate=validate.OneOf(get_args(EnvVersion), error="malformed"))
    check_path = Boolean(description="false: the page need not be published")


def _access_token(body: dict[str, Any], service: str) -> Mapping[str, Any]:
    """Return a live access_token of ``appid`` (default: the first app). Callers may cache it for a minute at most."""
    return _lent(services().access_tokens.lend(body.get("appid")))


def _replace(body: dict[str, Any], service: str) -> Mapping[str, Any]:
    """Return a token to use instead of a rejected one. Any number of services may report the same one."""
    return _lent(services().access_tokens.replace(body.get("appid"), body["access_token"]))


def _qrcode(body: dict[str, Any], service: str) -> Mapping[str, Any]:
    """Return a code with the service's scene: the same code has the same address, and WeChat draws it once."""
    appid, scene = body.pop("appid", None), body.pop("scene")
    qrcodes = services().qrcodes
    return picture_view(qrcodes.of_app(appid, qrcodes.code(scene, **body), service))


def _lent(token: FetchedToken) -> dict[str, Any]:
    return {"access_token": token.token, "expires_in": token.expires_in}


def _add(method: str, rule: str, view: View, scope: ServiceScope, summary: str, answer: Schema, wanted: Schema) -> None:
    who = Service(scope, hidden=True)
    add(internal, method, rule, Operation(NATIVE, who, summary, answer, wanted, tag="internal"), view)


_add(
    "GET",
    "/access_token",
    _access_token,
    "access_token",
    "A live access_token, with a service credential",
    LentToken(),
    _Wanted(),
)
_add(
    "POST",
    "/access_token/rejected",
    _replace,
    "access_token",
    "Report a rejected access_token and get one to use instead",
    LentToken(),
    _Rejected(),
)
_add("POST", "/qrcodes", _qrcode, "qrcode", "A mini-program code with a scene", PICTURE_ANSWER, _Code())
