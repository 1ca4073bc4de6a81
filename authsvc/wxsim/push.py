"""``POST /control/push``: sends WeChat's message push to a server (page 消息推送)."""

import base64
import hashlib
import secrets
import time
from collections.abc import Mapping
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlencode, urlsplit
from xml.sax.saxutils import escape

from Crypto.Cipher import AES
from Crypto.Util.Padding import pad
from flask import Blueprint, abort
from marshmallow import Schema, fields, validate

from authsvc.wxsim.browsers import is_this_machine
from authsvc.wxsim.requestbody import load, name_field
from authsvc.wxsim.sealing import compact_json
from authsvc.wxsim.simulator import simulator

blueprint = Blueprint("push", __name__, url_prefix="/control")

# The padding is for 32-byte blocks, although the cipher's blocks have 16 bytes.
PADDING_BLOCK = 32
_SENDER = "gh_51a051a051a0"


class _Push(Schema):
    url = fields.Url(required=True, require_tld=False, schemes={"http"})
    appid = name_field(required=True)
    token = name_field(required=True)
    aes_key = fields.String(load_default=None, validate=validate.Length(equal=43))
    user = name_field(load_default=None)
    event = name_field(load_default="user_authorization_revoke")
    mode = fields.String(load_default="safe", validate=validate.OneOf(("plain", "compatible", "safe")))
    format = fields.String(load_default="JSON", validate=validate.OneOf(("JSON", "XML")))
    fields_ = fields.Dict(data_key="fields", keys=fields.String(), load_default=dict)
    age = fields.Integer(load_default=0)


class _Trial(Schema):
    url = fields.Url(required=True, require_tld=False, schemes={"http"})
    token = name_field(required=True)


_PUSH, _TRIAL = _Push(), _Trial()


@blueprint.post("/push")
def push() -> dict[str, Any]:
    """Push an event to ``url`` on this machine, and return the answer and its duration.

    ``user`` is the person concerned; ``fields`` are added to the message or replace members; ``age`` makes it that many
    seconds old. The sent request is returned too, so that a test can send it again.
    """
    asked = load(_PUSH)
    now = int(simulator().world.clock.now()) - asked["age"]
    message = _message(asked, now)
    query, body = deliver(asked, message, str(now), str(secrets.randbelow(10**9)))
    return _send("POST", asked["url"], query, body)


@blueprint.post("/push/trial")
def trial() -> dict[str, Any]:
    """Test an address, as WeChat's console does when it is saved, and return the answer."""
    asked = load(_TRIAL)
    now, nonce = str(int(simulator().world.clock.now())), str(secrets.randbelow(10**9))
    echo = str(secrets.randbelow(10**18))
    query = {"signature": sign(asked["token"], now, nonce), "timestamp": now, "nonce": nonce, "echostr": echo}
    return {**_send("GET", asked["url"], query, ""), "echostr": echo}


def sign(*parts: str) -> str:
    """Return hex SHA-1 over the sorted parts: the token, timestamp and nonce, and the ciphertext if there is one."""
    return hashlib.sha1("".join(sorted(parts)).encode(), usedforsecurity=False).hexdigest()


def encrypt(message: str, appid: str, aes_key: str, random: bytes) -> str:
    """Return a message's ciphertext (base64): 16 random bytes, its length, the message, the appid; AES-256-CBC."""
    key, content = base64.b64decode(f"{aes_key}="), message.encode()
    frame = random + len(content).to_bytes(4, "big") + content + appid.encode()
    return base64.b64encode(AES.new(key, AES.MODE_CBC, key[:16]).encrypt(pad(frame, PADDING_BLOCK))).decode()


def deliver(
    asked: Mapping[str, Any], message: Mapping[str, Any], timestamp: str, nonce: str
) -> tuple[dict[str, str], str]:
    """Return query and body of a delivery."""
    token, mode, write = asked["token"], asked["mode"], _WRITERS[asked["format"]]
    query = {"signature": sign(token, timestamp, nonce), "timestamp": timestamp, "nonce": nonce}
    if mode == "plain":
        return query, write(message)
    if asked["aes_key"] is None:
        abort(400, "compatible and safe mode need an aes_key")
    sealed = encrypt(write(message), asked["appid"], asked["aes_key"], secrets.token_bytes(16))
    query |= {
        "openid": str(message["FromUserName"]),
        "encrypt_type": "aes",
        "msg_signature": sign(token, timestamp, nonce, sealed),
    }
    beside = message if mode == "compatible" else {"ToUserName": message["ToUserName"]}
    return query, write({**beside, "Encrypt": sealed})


def _message(asked: Mapping[str, Any], now: int) -> dict[str, Any]:
    message: dict[str, Any] = {
        "ToUserName": _SENDER,
        "FromUserName": "oSIMPUSH00000000000000000000",
        "CreateTime": now,
        "MsgType": "event",
        "Event": asked["event"],
        "AppID": asked["appid"],
    }
    if asked["user"] is not None:
        message["OpenID"] = simulator().world.account(asked["appid"], asked["user"]).openid
    return {**message, **asked["fields_"]}


def _xml(message: Mapping[str, Any]) -> str:
    members = "".join(f"<{name}>{escape(str(value))}</{name}>" for name, value in message.items())
    return f"<xml>{members}</xml>"


_WRITERS = {"JSON": compact_json, "XML": _xml}


def _send(method: str, url: str, query: Mapping[str, str], body: str) -> dict[str, Any]:
    parts = urlsplit(url)
    if parts.hostname is None or not is_this_machine(parts.hostname):
        abort(403, "pushes can only be sent to this machine")
    connection = HTTPConnection(parts.hostname, parts.port, timeout=5)
    started = time.monotonic()
    connection.request(method, f"{parts.path}?{urlencode(query)}", body.encode())
    answer = connection.getresponse()
    text = answer.read().decode("utf-8", "replace")
    connection.close()
    told = {"status": answer.status, "answer": text, "seconds": time.monotonic() - started}
    return {**told, "query": dict(query), "body": body}
