"""For the company's other services: what a person's session_key can do, without the key.

Off (404) until an operator creates a credential.
"""

import base64
import binascii
import logging
import re
from collections.abc import Mapping
from typing import Any

from flask import Blueprint
from marshmallow import Schema, ValidationError, fields, validates_schema

from authsvc.services.siblings.userstate import PersonInApp
from authsvc.values.operator import ServiceScope
from authsvc.values.wechat import EncryptedData
from authsvc.web.access import services
from authsvc.web.contracts.native import NATIVE, envelope, enveloped
from authsvc.web.routing import Operation, View, add
from authsvc.web.schemas import APPID, NUMBER, Base64, Body, Boolean, Text
from authsvc.web.who import Service

logger = logging.getLogger(__name__)

session_key = Blueprint("session_key", __name__, url_prefix="/internal/v1/session-key")

_MESSAGE_CHARACTERS = 8192
_SESSION_ID = re.compile(r"[A-Za-z0-9_-]{1,32}\Z")


class _Person(Body):
    """The person and the mini program, as the claims of their token name them."""

    sub = Text(19, NUMBER, required=True, description="the user's id: `sub` of the token")
    appid = Text(18, APPID, description="default: the first app")
    sid = Text(32, _SESSION_ID, description="a live session: `sid` of the token; default: the person's last login")


class _Message(_Person):
    """The exact bytes to sign: a text (its UTF-8) or base64."""

    message = Text(_MESSAGE_CHARACTERS, description="signed as its UTF-8 bytes")
    message_base64 = Text(_MESSAGE_CHARACTERS, description="instead of `message`: any bytes, as base64")
    check = Boolean(description="false: WeChat is not asked first whether the key is its current one")

    @validates_schema
    def _one(self, data: dict[str, Any], **_: Any) -> None:
        if ("message" in data) == ("message_base64" in data):
            raise ValidationError({"message": ["alone" if "message" in data else "required"]})
        try:
            base64.b64decode(data.get("message_base64", ""), validate=True)
        except (binascii.Error, ValueError):
            raise ValidationError({"message_base64": ["base64"]}) from None


class _Encrypted(_Person):
    """What the mini program got from WeChat."""

    encryptedData = Base64(required=True)
    iv = Base64(exactly=16, required=True)


class NativeSignature(Schema):
    """The user-state signature (WeChat page: 虚拟支付签名), as hex of HMAC-SHA256."""

    signature = fields.String(required=True)


class NativeOpened(Schema):
    """The object inside encryptedData, as WeChat sealed it."""

    payload = fields.Dict(keys=fields.String(), required=True)


class NativeKeyCheck(Schema):
    """Whether the stored session_key is WeChat's current one."""

    current = fields.Boolean(required=True)


def _sign(body: dict[str, Any], service: str) -> Mapping[str, Any]:
    """Return the signature of the message by the session_key; 409 `session_key_replaced` if WeChat has replaced it."""
    text = body.get("message")
    message = base64.b64decode(body["message_base64"]) if text is None else text.encode()
    signature = services().user_state.sign(_person(body), message, checks=body.get("check", True))
    logger.info("signed for user %s: %d bytes, on request of service %s", body["sub"], len(message), service)
    return envelope({"signature": signature})


def _open(body: dict[str, Any], service: str) -> Mapping[str, Any]:
    """Return the object inside encryptedData. Five failures close the key until the person's next login."""
    opened = services().user_state.open(_person(body), EncryptedData(body["encryptedData"], body["iv"]))
    logger.info("opened data of user %s, on request of service %s", body["sub"], service)
    return envelope({"payload": opened})


def _check(body: dict[str, Any], service: str) -> Mapping[str, Any]:
    """Ask WeChat whether the stored session_key is its current one; without a stored key: false."""
    return envelope({"current": services().user_state.is_current(_person(body))})


def _person(body: dict[str, Any]) -> PersonInApp:
    return PersonInApp(int(body["sub"]), body.get("appid"), body.get("sid"))


def _add(rule: str, view: View, scope: ServiceScope, summary: str, answer: Schema, asked: Body) -> None:
    shown = enveloped(f"{type(answer).__name__}Answer", fields.Nested(answer, required=True))
    operation = Operation(NATIVE, Service(scope, hidden=True), summary, shown, asked, tag="internal")
    add(session_key, "POST", rule, operation, view)


_add("/sign", _sign, "session_sign", "Sign with a person's session_key", NativeSignature(), _Message())
_add("/open", _open, "session_open", "Open encryptedData of a person", NativeOpened(), _Encrypted())
_add("/check", _check, "session_check", "Check a person's session_key with WeChat", NativeKeyCheck(), _Person())
