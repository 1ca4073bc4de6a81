"""WeChat's error codes: their texts, and the tail that each family of endpoints adds."""

from collections.abc import Callable

from authsvc.wxsim.identifiers import new_hint, new_rid

Tail = Callable[[float], str]

# Texts without the tail. Sources: the error tables of the endpoints' pages, captures of real answers for
# 40013, 40029, 40125, 40163, 41002 and 41008, the older global code table for the rest.
TEXTS = {
    -1: "system error",
    40001: "invalid credential, access_token is invalid or not latest, could get access_token by "
    "getStableAccessToken, more details at https://mmbizurl.cn/s/JtxxFh33r",
    40002: "invalid grant_type",
    40003: "invalid openid",
    40013: "invalid appid",
    40014: "invalid access_token",
    40029: "invalid code",
    40066: "invalid url",
    40097: "invalid args",
    40125: "invalid appsecret",
    40129: "invalid scene",
    40159: "invalid length for path, or the data is not json string",
    40163: "code been used",
    40164: "invalid ip, not in whitelist",
    40169: "invalid length for scene, or the data is not json string",
    40189: "invalid width",
    40226: "code blocked",
    41001: "access_token missing",
    41002: "appid missing",
    41004: "appsecret missing",
    41008: "missing code",
    41030: "invalid page",
    42001: "access_token expired",
    43001: "require GET method",
    43002: "require POST method",
    44002: "empty post data",
    45009: "reach max api daily quota limit",
    45011: "api minute-quota reach limit, must slower, retry next minute",
    45029: "qrcode count out of limit",
    47001: "data format error",
    48001: "api unauthorized",
    48004: "api forbidden for irregularities",
    50002: "user limited",
    85096: "not allow include scancode_time field",
    87007: "session_key is not existd or expired",
    87008: "invalid sig_method",
    87009: "invalid signature",
    268490002: "invalid request parameter",
    268490003: "invalid signature",
}


class WeChatRefusal(Exception):
    """WeChat answers this call with an errcode (and HTTP 200)."""

    def __init__(self, errcode: int, text: str | None = None) -> None:
        """Store the code; ``text`` replaces the usual text, without the tail."""
        super().__init__(errcode)
        self.errcode = errcode
        self.text = TEXTS.get(errcode, "unknown error") if text is None else text


def sns_tail(now: float) -> str:
    """Return the tail of ``/sns/*``: a comma first."""
    return f", rid: {new_rid(now)}"


def gateway_tail(now: float) -> str:
    """Return the tail of ``/cgi-bin/*`` and most of ``/wxa/*``: no comma."""
    return f" rid: {new_rid(now)}"


def hinted_tail(now: float) -> str:
    """Return the tail of the ``/wxa/*`` handlers that add a hint, such as getuserphonenumber."""
    return f" hint: [{new_hint()}] rid: {new_rid(now)}"
