"""For the company's other services: what takes AppSecret, so that it lives here and nowhere else.

Off (404) until an operator makes a credential. A token comes in the two members of WeChat's own token endpoints, so a
client written for those can be pointed here.
"""

from typing import Any, get_args

from flask import Blueprint, Response
from marshmallow import Schema, fields, validate

from authsvc.values.pictures import PAGE, PAGE_CHARACTERS, SCENE, SCENE_CHARACTERS, EnvVersion
from authsvc.values.wechat import FetchedToken
from authsvc.web import bodies, guards
from authsvc.web.access import services
from authsvc.web.contracts.native import NATIVE
from authsvc.web.routes.qrcode import PICTURE_ANSWER, CodeLook, picture_view
from authsvc.web.routing import Operation, describe
from authsvc.web.schemas import APPID, TOKEN, Body, Boolean, Text

internal = Blueprint("internal", __name__, url_prefix="/internal/v1")


class _Rejected(Body):
    """A token that WeChat has taken for dead (40001, 40014, 42001)."""

    appid = Text(18, APPID)
    access_token = Text(1024, TOKEN, required=True)


class LentToken(Schema):
    """The two members of WeChat's own token endpoints, without an envelope."""

    access_token = fields.String(required=True)
    expires_in = fields.Integer(required=True, metadata={"description": "seconds that are left"})


class _Wanted(Body):
    appid = Text(18, APPID, description="default: the first app")


class _Code(CodeLook):
    """What a code carries, and which page it opens; what is left out is as the settings say."""

    scene = Text(SCENE_CHARACTERS, SCENE, required=True, description="WeChat's alphabet of 82 characters")
    appid = Text(18, APPID, description="default: the first app")
    page = Text(PAGE_CHARACTERS, PAGE, description="as in app.json; empty: the home page")
    env_version = fields.String(validate=validate.OneOf(get_args(EnvVersion), error="malformed"))
    check_path = Boolean(description="false: the page need not be published")


_CODE = _Code()
_REJECTED = _Rejected()
_WANTED = _Wanted()


def _service_route(summary: str, wanted: Schema) -> Operation:
    return Operation(NATIVE, summary, LentToken(), fields=wanted, bearer=True, tag="internal")


@internal.get("/access_token")
@describe(_service_route("A live access_token, with a service credential", _WANTED))
def access_token() -> Response:
    """A live access_token of ``appid`` (default: the first app). Keep it a minute at most, and ask again."""
    guards.service("access_token")
    return _lent(services().access_tokens.lend(bodies.read_query(_WANTED).get("appid")))


@internal.post("/access_token/rejected")
@describe(_service_route("A token in place of one that WeChat rejected", _REJECTED))
def rejected() -> Response:
    """A token to use instead of one that WeChat has rejected. Any number of services may report the same one."""
    guards.service("access_token")
    body: dict[str, Any] = bodies.read(_REJECTED)
    return _lent(services().access_tokens.replace(body.get("appid"), body["access_token"]))


@internal.post("/qrcodes")
@describe(
    Operation(NATIVE, "A mini-program code of a scene", PICTURE_ANSWER, fields=_CODE, bearer=True, tag="internal")
)
def qrcode() -> Response:
    """A code with a scene of the service's own: the same address for the same code, drawn by WeChat once."""
    name = guards.service("qrcode")
    body: dict[str, Any] = bodies.read(_CODE)
    appid, scene = body.pop("appid", None), body.pop("scene")
    qrcodes = services().qrcodes
    return bodies.write(picture_view(qrcodes.of_app(appid, qrcodes.code(scene, **body), name)))


def _lent(token: FetchedToken) -> Response:
    response = bodies.write({"access_token": token.token, "expires_in": token.expires_in})
    response.headers["Cache-Control"] = "no-store"
    return response
