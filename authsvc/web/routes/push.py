"""WeChat's message push: the address for WeChat's console, with or without the mini program's AppID."""

from typing import Any

from flask import Blueprint, Response, request

from authsvc.values.wechat import PushQuery
from authsvc.web.access import services
from authsvc.web.contracts.native import NATIVE
from authsvc.web.routing import Operation, View, add
from authsvc.web.who import PUBLIC

pushes = Blueprint("pushes", __name__)


def _try_out(appid: str | None = None) -> Response:
    """Answer with WeChat's ``echostr`` if its signature is valid; otherwise 403, or 404 if push is not set up."""
    services().pushes.check_address(appid, _query())
    return Response(request.args.get("echostr", ""), mimetype="text/plain")


def _receive(appid: str | None = None) -> Response:
    """Act on a pushed event and answer ``success``; 403 if it is forged, too old or for another mini program."""
    services().pushes.receive(appid, _query(), request.get_data(cache=False))
    return Response("success", mimetype="text/plain")


def _query() -> PushQuery:
    names = ("signature", "timestamp", "nonce", "msg_signature")
    return PushQuery(**{name: request.args.get(name, "") for name in names})


def _add(method: str, view: View, summary: str, **options: Any) -> None:
    # WeChat signs the request's content, so the use case checks the signature.
    operation = Operation(
        NATIVE,
        PUBLIC,
        summary,
        {"type": "string"},
        tag="wechat",
        media="text/plain",
        limited="push",
        may_be_off=True,
        **options,
    )
    add(pushes, method, "/wechat/push", operation, view)
    add(pushes, method, "/wechat/push/<appid:appid>", operation, view)


_NAMES = ("signature", "timestamp", "nonce")
_EVENT = {media: {"schema": {"type": "string"}} for media in ("text/xml", "application/json")}
_add("GET", _try_out, "WeChat's test of the push address", reads=(*_NAMES, "echostr"), refuses=(400, 403))
_add(
    "POST",
    _receive,
    "An event pushed by WeChat",
    reads=(*_NAMES, "msg_signature"),
    body=_EVENT,
    refuses=(400, 403, 413, 503),
)
