"""``/wxa/…``: endpoints with an access_token. Pages 获取手机号 (getPhoneNumber), 检验登录态, 重置登录态."""

import hashlib
import hmac
from typing import Any

from authsvc.wxsim.asked import Asked, require_object
from authsvc.wxsim.errcodes import WeChatRefusal
from authsvc.wxsim.world import Account, World

_OK = {"errcode": 0, "errmsg": "ok"}


def getuserphonenumber(world: World, asked: Asked) -> dict[str, Any]:
    """Return the number for a phone-button code, once. Raises WeChatRefusal.

    40029 unknown, used, expired, or a login code; 40013 another app's code; 40003 another user's (a guess).
    """
    appid = world.tokens.require(asked.query.get("access_token"))
    fields = require_object(asked)
    code, openid = fields.get("code"), fields.get("openid")
    if not isinstance(code, str) or not code or not isinstance(openid, str | None):
        raise WeChatRefusal(40097)
    tapped = world.spend_phone_code(appid, code, openid)
    asked.call.consumed = True
    phone_info = dict(tapped)
    if world.settings.country_code_as_number:
        phone_info["countryCode"] = int(phone_info["countryCode"])
    return {**_OK, "phone_info": phone_info}


def getuserriskrank(world: World, asked: Asked) -> dict[str, Any]:
    """Return the lowest risk for a user of the app. Raises WeChatRefusal 40003, 40013, 40097, 40129.

    Page 获取用户安全等级 (getUserRiskRank); "unoin_id" is spelt as there.
    """
    appid = world.tokens.require(asked.query.get("access_token"))
    fields = require_object(asked)
    if not isinstance(fields.get("openid"), str) or not isinstance(fields.get("client_ip"), str):
        raise WeChatRefusal(40097)
    if fields.get("scene") not in (0, 1):
        raise WeChatRefusal(40129)
    if fields.get("appid") != appid:
        raise WeChatRefusal(40013)
    if world.find_account(appid, fields["openid"]) is None:
        raise WeChatRefusal(40003)
    return {"errcode": 0, "errmsg": "getuserriskrank succ", "risk_rank": 0, "unoin_id": 1}


def checksession(world: World, asked: Asked) -> dict[str, Any]:
    """Check whether a session_key is the current one. Raises WeChatRefusal 40003, 87008, 87009."""
    _signed(world, asked)
    return dict(_OK)


def resetusersessionkey(world: World, asked: Asked) -> dict[str, Any]:
    """Replace the session_key; the old one becomes invalid. Raises WeChatRefusal as checksession does, and 87007."""
    account = _signed(world, asked)
    key = world.reset_session_key(account)
    asked.call.consumed = True
    return {**_OK, "openid": account.openid, "session_key": key}


def _signed(world: World, asked: Asked) -> Account:
    """Return the account whose current key signed the empty text; the key is used as base64 text, not as bytes."""
    appid = world.tokens.require(asked.query.get("access_token"))
    account = world.find_account(appid, asked.query.get("openid", ""))
    if account is None:
        raise WeChatRefusal(40003)
    if asked.query.get("sig_method") != "hmac_sha256":
        raise WeChatRefusal(87008)
    if account.session_key is None:
        raise WeChatRefusal(87007)
    right = hmac.new(account.session_key.encode(), b"", hashlib.sha256).hexdigest()
    if not hmac.compare_digest(asked.query.get("signature", "").encode(), right.encode()):
        raise WeChatRefusal(87009)
    return account
