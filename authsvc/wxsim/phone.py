"""``/phone/…``: what the WeChat client does on a simulated user's phone.

``user`` is any short text; the person is created on first use. Answers have the names of the client API's results.
"""

import base64
import io
from typing import Any

from flask import Blueprint
from marshmallow import Schema, fields, validate
from PIL import Image

from authsvc.wxsim.profiles import PLACEHOLDER
from authsvc.wxsim.requestbody import key_field, load, name_field
from authsvc.wxsim.sealing import compact_json, new_iv, seal, sign_raw_data
from authsvc.wxsim.simulator import simulator
from authsvc.wxsim.world import Account, World, WorldConflict
from authsvc.wxsim.xpay import is_signed

blueprint = Blueprint("phone", __name__, url_prefix="/phone")

HOME_COUNTRY = "86"


class _Person(Schema):
    appid = name_field(required=True)
    user = name_field(required=True)


class _Login(_Person):
    rotate = fields.Boolean(load_default=None, allow_none=True)
    code = name_field(load_default=None)


class _Sealed(_Person):
    session_key = key_field()
    iv = key_field()
    timestamp = fields.Integer(load_default=None)
    watermark = fields.Raw(load_default=None, allow_none=False)


class _UserInfo(_Sealed):
    kind = fields.String(load_default="getUserInfo", validate=validate.OneOf(("getUserInfo", "getUserProfile")))
    profile = fields.Dict(keys=fields.String(), load_default=dict)
    placeholder = fields.Boolean(load_default=False)


class _PhoneNumber(_Sealed):
    phone = name_field(load_default=None)
    country_code = name_field(load_default=None)


class _Encrypt(_Sealed):
    payload = fields.Raw(required=True)


class _Payment(_Person):
    sign_data = fields.String(required=True, data_key="signData", validate=validate.Length(1, 10_000))
    pay_sig = fields.String(required=True, data_key="paySig")
    signature = fields.String(required=True)


class _Scan(Schema):
    picture = fields.String(required=True, validate=validate.Length(1, 4_000_000))


_LOGIN, _USER_INFO, _PHONE_NUMBER, _ENCRYPT = _Login(), _UserInfo(), _PhoneNumber(), _Encrypt()
_PAYMENT, _SCAN = _Payment(), _Scan()


@blueprint.post("/login")
def login() -> dict[str, Any]:
    """Do ``wx.login``: a code, and possibly a new session_key at once (``rotate`` forces one or the other)."""
    asked = load(_LOGIN)
    code = simulator().world.log_in(asked["appid"], asked["user"], asked["rotate"], asked["code"])
    return {"code": code, "errMsg": "login:ok"}


@blueprint.post("/userinfo")
def userinfo() -> dict[str, Any]:
    """Do ``wx.getUserInfo`` (with credentials) or ``wx.getUserProfile``, encrypted with the current key.

    The profile call leaves out openId and unionId (wx.getUserProfile page). ``profile`` overrides single
    fields, ``placeholder`` uses the values that today's versions get (微信用户, grey avatar).
    """
    asked = load(_USER_INFO)
    world = simulator().world
    account = world.account(asked["appid"], asked["user"])
    key = _session_key(account, asked)
    info = {**(PLACEHOLDER if asked["placeholder"] else account.user.profile), **asked["profile"]}
    raw_data = compact_json(info)
    secret_part = {**info}
    if asked["kind"] == "getUserInfo":
        secret_part = {"openId": account.openid, **info}
        if account.unionid is not None:
            secret_part["unionId"] = account.unionid
    return {
        "errMsg": f"{asked['kind']}:ok",
        "userInfo": info,
        "rawData": raw_data,
        "signature": sign_raw_data(raw_data, key),
        **_sealed(world, account, secret_part, asked),
    }


@blueprint.post("/phonenumber")
def phonenumber() -> dict[str, Any]:
    """Tap the getPhoneNumber button: a 64-digit phone code, and after a login also encryptedData.

    ``phone`` (without country code) and ``country_code`` override the user's own for this tap only.
    """
    asked = load(_PHONE_NUMBER)
    world = simulator().world
    account = world.account(asked["appid"], asked["user"])
    number = asked["phone"] or account.user.phone
    country = asked["country_code"] or account.user.country_code
    # "Foreign numbers include the country code" (getPhoneNumber page); whether with "+" is unconfirmed.
    shown = number if country == HOME_COUNTRY else country + number
    payload = {"phoneNumber": shown, "purePhoneNumber": number, "countryCode": country}
    info = {**payload, **_watermark(world, account, asked)}
    answer = {"errMsg": "getPhoneNumber:ok", "code": world.mint_phone_code(asked["appid"], asked["user"], info)}
    if asked["session_key"] or account.session_key:
        answer |= _sealed(world, account, payload, asked)
    return answer


@blueprint.post("/encrypt")
def encrypt() -> dict[str, Any]:
    """Encrypt any payload: an object gets a watermark unless it has one, a text is encrypted unchanged."""
    asked = load(_ENCRYPT)
    world = simulator().world
    return _sealed(world, world.account(asked["appid"], asked["user"]), asked["payload"], asked)


@blueprint.post("/payment")
def payment() -> dict[str, Any]:
    """Do ``wx.requestVirtualPayment``, and agree to pay.

    Raises WorldConflict for a signature by another AppKey, or by a key that is not the current session_key.
    """
    asked = load(_PAYMENT)
    world = simulator().world
    account = world.account(asked["appid"], asked["user"])
    text = asked["sign_data"]
    if not is_signed(asked["pay_sig"], world.settings.payment_key, f"requestVirtualPayment&{text}"):
        raise WorldConflict("requestVirtualPayment:fail paySig")
    if not is_signed(asked["signature"], account.session_key, text):
        raise WorldConflict("requestVirtualPayment:fail signature")
    return {"errMsg": "requestVirtualPayment:ok"}


@blueprint.post("/scan")
def scan() -> dict[str, Any]:
    """Scan a code that this simulator has drawn (base64 of a picture), and open it.

    ``path`` has the form of ``wx.scanCode``: the page, with the escaped scene in its query. Raises WorldConflict.
    """
    try:
        with Image.open(io.BytesIO(base64.b64decode(load(_SCAN)["picture"], validate=True))) as picture:
            code = simulator().world.drawn_codes.find(picture)
    except (OSError, ValueError):
        raise WorldConflict("picture is not a picture in base64") from None
    if code is None:
        raise WorldConflict("the picture shows no code that was drawn here")
    return {"errMsg": "scanCode:ok", "scanType": "WX_CODE", "appid": code.appid, "path": code.path}


def _sealed(world: World, account: Account, payload: Any, asked: dict[str, Any]) -> dict[str, str]:
    """Return encryptedData and iv. ``watermark`` overrides the correct one; false omits it."""
    iv = asked["iv"] or new_iv()
    if isinstance(payload, dict) and "watermark" not in payload:
        payload = {**payload, **_watermark(world, account, asked)}
    text = payload if isinstance(payload, str) else compact_json(payload)
    return {"encryptedData": seal(text, _session_key(account, asked), iv), "iv": iv}


def _watermark(world: World, account: Account, asked: dict[str, Any]) -> dict[str, Any]:
    """Return the member ``watermark``, or nothing if the request wants none."""
    if asked["watermark"] is False:
        return {}
    stamp = int(world.clock.now()) if asked["timestamp"] is None else asked["timestamp"]
    correct = {"timestamp": stamp, "appid": account.app.appid}
    return {"watermark": correct if asked["watermark"] is None else asked["watermark"]}


def _session_key(account: Account, asked: dict[str, Any]) -> str:
    """Return the encryption key: the requested one, or the current one.

    Raises WorldConflict before a login.
    """
    key: str | None = asked["session_key"] or account.session_key
    if key is None:
        raise WorldConflict(f"{account.user.name!r} has no session in this app; POST /phone/login first")
    return key
