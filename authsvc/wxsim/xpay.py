"""``/xpay/…``: virtual payment. Page 虚拟支付签名: who pays is proved by their session_key, who asks by the AppKey."""

import hashlib
import hmac
from typing import Any

from authsvc.wxsim.asked import Asked, require_object
from authsvc.wxsim.errcodes import WeChatRefusal
from authsvc.wxsim.world import World

_BALANCE = "/xpay/query_user_balance"


def query_user_balance(world: World, asked: Asked) -> dict[str, Any]:
    """Return a user's balance. Raises WeChatRefusal.

    268490002 for an unknown openid; 268490003 for a signature by another AppKey, or by a key that is no longer the
    user's session_key.
    """
    appid = world.tokens.require(asked.query.get("access_token"))
    openid = require_object(asked).get("openid")
    account = world.find_account(appid, openid) if isinstance(openid, str) else None
    if account is None:
        raise WeChatRefusal(268490002)
    _require_signed(asked, "pay_sig", world.settings.payment_key, f"{_BALANCE}&{asked.text}")
    _require_signed(asked, "signature", account.session_key, asked.text)
    return {"errcode": 0, "errmsg": "ok", "balance": 100, "present_balance": 0, "sum_save": 100, "sum_present": 0}


def _require_signed(asked: Asked, name: str, key: str | None, message: str) -> None:
    if not is_signed(asked.query.get(name, ""), key, message):
        raise WeChatRefusal(268490003)


def is_signed(signature: str, key: str | None, message: str) -> bool:
    """Tell whether this is the signature of a message by a key, if there is a key."""
    right = hmac.new((key or "").encode(), message.encode(), hashlib.sha256).hexdigest()
    return key is not None and hmac.compare_digest(signature.encode(), right.encode())
