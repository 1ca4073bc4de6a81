"""The WeChat side: the endpoints, and the common processing of every call.

A new endpoint is one file with a function ``(World, Asked) -> dict`` (or an ``Answer``, for pictures) and one
line in ``ENDPOINTS``.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import formatdate
from typing import Any

from flask import Blueprint, Response, request

from authsvc.wxsim import cgibin, sns, wxa, wxacodes, xpay
from authsvc.wxsim.asked import Asked, object_of
from authsvc.wxsim.delivery import Answer
from authsvc.wxsim.errcodes import Tail, WeChatRefusal, gateway_tail, hinted_tail, sns_tail
from authsvc.wxsim.faults import NO_FAULT
from authsvc.wxsim.journal import masked
from authsvc.wxsim.sealing import compact_json
from authsvc.wxsim.simulator import Simulator, simulator
from authsvc.wxsim.world import World

blueprint = Blueprint("upstream", __name__)

JOURNAL_BODY_CHARACTERS = 2000


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An endpoint of api.weixin.qq.com: method, path, function, and the tail of its error texts."""

    method: str
    path: str
    work: Callable[[World, Asked], Mapping[str, Any] | Answer]
    tail: Tail


ENDPOINTS = {
    endpoint.path: endpoint
    for endpoint in (
        Endpoint("GET", "/sns/jscode2session", sns.jscode2session, sns_tail),
        Endpoint("GET", "/cgi-bin/token", cgibin.token, gateway_tail),
        Endpoint("POST", "/cgi-bin/stable_token", cgibin.stable_token, gateway_tail),
        Endpoint("POST", "/wxa/business/getuserphonenumber", wxa.getuserphonenumber, hinted_tail),
        Endpoint("POST", "/wxa/getuserriskrank", wxa.getuserriskrank, gateway_tail),
        Endpoint("POST", "/wxa/getwxacodeunlimit", wxacodes.getwxacodeunlimit, gateway_tail),
        Endpoint("POST", "/wxa/getwxacode", wxacodes.getwxacode, gateway_tail),
        Endpoint("POST", "/cgi-bin/wxaapp/createwxaqrcode", wxacodes.createwxaqrcode, gateway_tail),
        Endpoint("GET", "/wxa/checksession", wxa.checksession, gateway_tail),
        Endpoint("POST", "/xpay/query_user_balance", xpay.query_user_balance, gateway_tail),
        Endpoint("GET", "/wxa/resetusersessionkey", wxa.resetusersessionkey, gateway_tail),
    )
}


@blueprint.route("/<path:path>", methods=["GET", "POST", "PUT", "DELETE", "PATCH"])
def serve(path: str) -> Response:
    """Answer as api.weixin.qq.com does: HTTP 200 and JSON, also for errors.

    An unknown path gets 40066. A POST without Content-Length gets 412, as reported for chunked uploads.
    """
    if request.method == "POST" and request.content_length is None:
        return Response(status=412)
    sim = simulator()
    asked = _arrive(sim, f"/{path}")
    call = asked.call
    queued = sim.faults.take(call.path, call.code)
    fault = queued or NO_FAULT
    call.fault = queued.kind if queued else None
    answer = _work(sim.world, asked) if fault.consume else _not_worked(sim.world, call.path)
    if pause := sim.world.settings.latency + fault.delay:
        time.sleep(pause)
    response = fault.deliver(answer, call)
    response.headers.setdefault("Date", formatdate(sim.world.clock.now(), usegmt=True))
    return response


def _arrive(sim: Simulator, path: str) -> Asked:
    query = request.args.to_dict()
    text = request.get_data(as_text=True)
    body = object_of(text) or {}
    fields = {**body, **query}
    code = query.get("js_code") or body.get("code")
    call = sim.journal.arrive(
        method=request.method,
        path=path,
        query=masked(query),
        body=masked(body) if body else text[:JOURNAL_BODY_CHARACTERS] or None,
        code=code if isinstance(code, str) else None,
        client=f"{request.remote_addr}:{request.environ.get('REMOTE_PORT', '')}",
        simulator_time=sim.world.clock.now(),
        secret_ok=_secret_ok(sim.world, fields),
    )
    return Asked(query, text, body, call)


def _secret_ok(world: World, fields: Mapping[str, Any]) -> bool | None:
    app = world.find_app(str(fields.get("appid", "")))
    given = fields.get("secret", fields.get("appsecret"))
    return None if app is None or given is None else given == app.secret


def _work(world: World, asked: Asked) -> Answer:
    """Run the endpoint, and return its answer."""
    path = asked.call.path
    endpoint = ENDPOINTS.get(path)
    try:
        if endpoint is None:
            raise WeChatRefusal(40066)
        if asked.call.method != endpoint.method:
            raise WeChatRefusal(43001 if endpoint.method == "GET" else 43002)
        if path in world.settings.ungranted:
            world.tokens.require(asked.query.get("access_token"))
            raise WeChatRefusal(48001)
        made = endpoint.work(world, asked)
    except WeChatRefusal as refusal:
        return _error(world, path, refusal)
    return made if isinstance(made, Answer) else _json(world, path, made, _tail(world, path))


def _not_worked(world: World, path: str) -> Answer:
    """Return the answer of a call that a fault prevents from reaching its endpoint: WeChat is busy."""
    return _error(world, path, WeChatRefusal(-1))


def _error(world: World, path: str, refusal: WeChatRefusal) -> Answer:
    tail = _tail(world, path)
    return _json(world, path, {"errcode": refusal.errcode, "errmsg": refusal.text + tail}, tail)


def _tail(world: World, path: str) -> str:
    endpoint = ENDPOINTS.get(path)
    return (endpoint.tail if endpoint else gateway_tail)(world.clock.now())


def _json(world: World, path: str, fields: Mapping[str, Any], tail: str) -> Answer:
    text = compact_json(fields)
    if world.settings.escape_slashes:
        text = text.replace("/", "\\/")
    return Answer(text.encode(), world.settings.content_type_of(path), fields.get("errcode", 0), tail)
