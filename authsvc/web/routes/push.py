"""WeChat's message push: the address that is entered in WeChat's console, with the mini program's AppID or without."""

from flask import Blueprint, Response, request

from authsvc.values.wechat import PushQuery
from authsvc.web.access import services
from authsvc.web.contracts.native import NATIVE
from authsvc.web.routing import Operation, describe

pushes = Blueprint("pushes", __name__)

_TEXT = {"type": "string"}
_TRIAL = Operation(
    NATIVE, "WeChat tries out the address of its message push", _TEXT, tag="wechat", media="text/plain", limited="push"
)
_DELIVERY = Operation(NATIVE, "WeChat pushes an event", _TEXT, tag="wechat", media="text/plain", limited="push")


@pushes.get("/wechat/push")
@pushes.get("/wechat/push/<appid:appid>")
@describe(_TRIAL)
def try_out(appid: str | None = None) -> Response:
    """Answer WeChat's ``echostr`` when its signature is right. 403 otherwise; 404 where no push is set up."""
    services().pushes.check_address(appid, _query())
    return Response(request.args.get("echostr", ""), mimetype="text/plain")


@pushes.post("/wechat/push")
@pushes.post("/wechat/push/<appid:appid>")
@describe(_DELIVERY)
def receive(appid: str | None = None) -> Response:
    """Act on a pushed event and answer ``success``. 403 for what is forged, stale or for another mini program."""
    services().pushes.receive(appid, _query(), request.get_data(cache=False))
    return Response("success", mimetype="text/plain")


def _query() -> PushQuery:
    names = ("signature", "timestamp", "nonce", "msg_signature")
    return PushQuery(**{name: request.args.get(name, "") for name in names})
