"""The qrcode blueprint: mini-program codes that carry an invite, and their pictures."""

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response
from marshmallow import fields, validate

from authsvc.values.pictures import COLOR, LEAST_WIDTH, MOST_WIDTH, CodePicture
from authsvc.values.sessions import Caller
from authsvc.web.access import services
from authsvc.web.contracts.bearer import BEARER_CODE
from authsvc.web.contracts.native import NATIVE, envelope, enveloped
from authsvc.web.contracts.shape import Contract, Route
from authsvc.web.pictures import picture_response
from authsvc.web.routing import Operation, View, add
from authsvc.web.schemas import Body, Boolean, Integer, Text
from authsvc.web.who import PERSON, PUBLIC

qrcode = Blueprint("qrcode", __name__)


class CodeLook(Body):
    """The look of a code; defaults come from the settings."""

    width = Integer(
        validate=validate.Range(LEAST_WIDTH, MOST_WIDTH, error="malformed"), metadata={"description": "pixels"}
    )
    line_color = Text(6, COLOR, description="six hex digits; used unless auto_color")
    auto_color = Boolean(description="let WeChat choose the colour")
    is_hyaline = Boolean(description="transparent background: a PNG")


_PICTURE = fields.Nested(
    Body.from_dict(
        {
            "url": fields.String(
                required=True, metadata={"description": "address of the picture, which needs no token"}
            ),
            "scene": fields.String(required=True),
            "page": fields.String(required=True, metadata={"description": "empty: the home page"}),
        },
        name="NativeCodePicture",
    )(),
    required=True,
)
PICTURE_ANSWER = enveloped("NativeCodePictureAnswer", _PICTURE)
_IMAGE = {"type": "string", "contentMediaType": "image/jpeg"}


def picture_view(picture: CodePicture) -> dict[str, Any]:
    """Return a picture as NativeCodePicture in the envelope."""
    return envelope({"url": picture.url, "scene": picture.code.scene, "page": picture.code.page})


def _own_qrcode(route: Route) -> View:
    def own_qrcode(caller: Caller) -> Mapping[str, Any]:
        return route.render(services().qrcodes.own(caller))

    return own_qrcode


def _add_contract(contract: Contract, route: Route) -> None:
    operation = Operation(contract, PERSON, route.summary, route.answer, tag="qrcode", limited="qrcode")
    add(qrcode, route.method, route.rule, operation, _own_qrcode(route))


for _route in BEARER_CODE.routes:
    _add_contract(BEARER_CODE, _route)


def _picture(name: str) -> Response:
    """Return a picture of a mini-program code, JPEG or PNG. Only people who were given its name know it."""
    return picture_response(name, services().code_pictures.read(name))


_SHOWN = Operation(
    NATIVE,
    PUBLIC,
    "The picture of a mini-program code",
    _IMAGE,
    tag="qrcode",
    media="image/jpeg",
    limited="read",
)
add(qrcode, "GET", "/qrcodes/<picture:name>", _SHOWN, _picture)


def _see(caller: Caller) -> Mapping[str, Any]:
    return picture_view(services().qrcodes.own(caller))


def _order(caller: Caller, body: dict[str, Any]) -> Mapping[str, Any]:
    return picture_view(services().qrcodes.own(caller, **body))


def _add(method: str, view: View, summary: str, **options: Any) -> None:
    operation = Operation(NATIVE, PERSON, summary, PICTURE_ANSWER, tag="qrcode", limited="qrcode", **options)
    add(qrcode, method, "/api/v1/me/invite/qrcode", operation, view)


_add("GET", _see, "The mini-program code of the caller's invite code")
_add("POST", _order, "The same with a custom look", fields=CodeLook())
