"""WeChat's server API, one method per endpoint."""

import hashlib
import hmac
import re
from typing import Any

from authsvc.errors import (
    LoginCodeInvalid,
    LoginCodeIsMock,
    LoginCodeIsPhoneCode,
    PhoneCodeInvalid,
    PhoneCodeIsLoginCode,
    SessionKeyStale,
    WeChatBadAnswer,
)
from authsvc.values.pictures import WxaCode
from authsvc.values.wechat import ACCESS_TOKEN, FetchedToken, MiniProgram, TokenApi, WeChatPhone, WeChatSession
from authsvc.wechat.errcodes import CODE_ENDPOINT, PHONE_ENDPOINT
from authsvc.wechat.transport import Query, Transport
from authsvc.wechat.wxbizdatacrypt import decode

_LOGIN_ENDPOINT = "/sns/jscode2session"
_CHECK_ENDPOINT = "/wxa/checksession"
_RESET_ENDPOINT = "/wxa/resetusersessionkey"
# Every path that is called, except for that of the access_token, which is a setting.
ENDPOINTS = (_LOGIN_ENDPOINT, _CHECK_ENDPOINT, _RESET_ENDPOINT, PHONE_ENDPOINT, CODE_ENDPOINT)
_IDENTIFIER = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")
# The forms of codes as observed. WeChat does not document them, so they are used only after WeChat refused a code.
_LOGIN_CODE = re.compile(r"[0-9A-Za-z]{32}\Z")
_PHONE_CODE = re.compile(r"[0-9a-f]{64}\Z")
# The result of wx.login in developer tools without an AppID (observed).
_MOCK_CODE = "the code is a mock one"
# "Reserve at least 512 characters" (getStableAccessToken page).
_ACCESS_TOKEN = re.compile(rf"{ACCESS_TOKEN}\Z")
# WeChat answers 7200; a longer lifetime is not believed.
MAX_TOKEN_SECONDS = 7200
_SIG_METHOD = "hmac_sha256"


class WeChatClient:
    """Calls WeChat. The transport decides how a call is sent, limited and repeated."""

    def __init__(self, transport: Transport, token_api: TokenApi = "stable_token") -> None:  # noqa: S107 (a name)
        self._transport = transport
        self._token_api = token_api

    def code2session(self, app: MiniProgram, code: str) -> WeChatSession:
        """Exchange the code of ``wx.login`` (one use, five minutes). WeChat page: 小程序登录凭证校验.

        Raises LoginCodeInvalid, LoginCodeUsed, or another WeChatError; after WeChatNoAnswer the code may be used up.
        """
        query = Query(appid=app.appid, secret=app.secret, js_code=code, grant_type="authorization_code")
        try:
            answer = self._transport.get(_LOGIN_ENDPOINT, query)
        except LoginCodeInvalid as error:
            if _PHONE_CODE.match(code):
                raise LoginCodeIsPhoneCode(str(error), error.errcode, error.errmsg) from None
            if code == _MOCK_CODE:
                raise LoginCodeIsMock(str(error), error.errcode, error.errmsg) from None
            raise
        return _wechat_session(_LOGIN_ENDPOINT, answer)

    def fetch_access_token(self, app: MiniProgram) -> FetchedToken:
        """Get an access_token for ``app`` from the endpoint that the settings chose.

        ``stable_token`` in normal mode (page 获取稳定版接口调用凭据) gives everybody the same token, so calls may be
        repeated freely. Each ``token`` (page 获取接口调用凭据) retires the previous one, so a call is not repeated
        after a lost answer. Raises WeChatMisconfigured for a wrong secret or address, or another WeChatError.
        """
        path = f"/cgi-bin/{self._token_api}"
        fields = Query(grant_type="client_credential", appid=app.appid, secret=app.secret)
        if self._token_api == "stable_token":  # noqa: S105 (an endpoint's name)
            answer = self._transport.post(path, Query(), fields, repeatable=True)
        else:
            answer = self._transport.get(path, fields)
        return _fetched_token(path, answer, self._token_api)

    def phone_number(self, app: MiniProgram, access_token: str, code: str, openid: str | None = None) -> WeChatPhone:
        """Turn the code of the phone button (one use, five minutes) into a number. WeChat page: 获取手机号.

        With ``openid``, WeChat refuses the code of another user. This checks the watermark's appid; the caller must
        check its age. Raises PhoneCodeInvalid, AccessTokenRejected (WeChat did not look at the code), or another
        WeChatError; after WeChatNoAnswer the code may be used up.
        """
        body = Query(code=code) if openid is None else Query(code=code, openid=openid)
        try:
            answer = self._transport.post(PHONE_ENDPOINT, Query(access_token=access_token), body)
        except PhoneCodeInvalid as error:
            if _LOGIN_CODE.match(code):
                raise PhoneCodeIsLoginCode(str(error), error.errcode, error.errmsg) from None
            raise
        return _wechat_phone(app, answer)

    def get_wxacode_unlimited(self, access_token: str, code: WxaCode) -> bytes:
        """Return the picture of a mini-program code, at most 2 MB, unchecked. WeChat page: 获取不限制的小程序码.

        Usually a JPEG; a PNG with ``is_hyaline``. Raises WxaPageUnknown, WeChatRateLimited (5,000 a minute),
        AccessTokenRejected, or another WeChatError.
        """
        return self._transport.post_for_picture(CODE_ENDPOINT, Query(access_token=access_token), _code_fields(code))

    def user_risk_rank(self, app: MiniProgram, access_token: str, openid: str, address: str) -> int:
        """Return WeChat's estimate of a user's risk, 0 to 4 (worst), at registration. WeChat page: 获取用户安全等级.

        Raises SessionKeyStale for an unknown openid (40003), WeChatMisconfigured without the permission (48001),
        AccessTokenRejected, or another WeChatError.
        """
        body = Query(appid=app.appid, openid=openid, scene=0, client_ip=address)
        answer = self._transport.post("/wxa/getuserriskrank", Query(access_token=access_token), body, repeatable=True)
        rank = answer.get("risk_rank")
        if type(rank) is not int or not 0 <= rank <= 4:
            raise WeChatBadAnswer("/wxa/getuserriskrank: no usable risk_rank")
        return rank

    def check_session(self, access_token: str, openid: str, session_key: str) -> bool:
        """Tell whether ``session_key`` (base64 text) is still the current one of ``openid``. WeChat page: 检验登录态.

        Raises AccessTokenRejected or another WeChatError.
        """
        try:
            self._transport.get(_CHECK_ENDPOINT, _signed(access_token, openid, session_key), repeatable=True)
        except SessionKeyStale:
            return False
        return True

    def reset_session_key(self, access_token: str, openid: str, session_key: str) -> WeChatSession:
        """Replace ``session_key`` by a new one, which inherits its expiry; the old one becomes invalid. Page:
        重置登录态.

        Raises SessionKeyStale if it was no longer the current one, AccessTokenRejected, or another WeChatError; after
        WeChatNoAnswer the old key may be invalid, and only a new login helps.
        """
        answer = self._transport.get(_RESET_ENDPOINT, _signed(access_token, openid, session_key))
        return _wechat_session(_RESET_ENDPOINT, answer)


def session_signature(session_key: str, message: bytes = b"") -> str:
    """Return the hex HMAC-SHA256 of ``message``. The key is the base64 text itself, not the decoded bytes:

    only this reproduces WeChat's published examples (tutorial 用户登录态签名, page 虚拟支付签名).
    """
    return hmac.new(session_key.encode(), message, hashlib.sha256).hexdigest()


def _code_fields(code: WxaCode) -> Query:
    red, green, blue = bytes.fromhex(code.line_color)
    fields = Query(
        scene=code.scene,
        check_path=code.check_path,
        env_version=code.env_version,
        width=code.width,
        auto_color=code.auto_color,
        line_color={"r": red, "g": green, "b": blue},
        is_hyaline=code.is_hyaline,
    )
    # Without a page the code opens the home page.
    return Query(fields, page=code.page) if code.page else fields


def _signed(access_token: str, openid: str, session_key: str) -> Query:
    signature = session_signature(session_key)
    return Query(access_token=access_token, openid=openid, signature=signature, sig_method=_SIG_METHOD)


def _fetched_token(path: str, answer: dict[str, Any], source: TokenApi) -> FetchedToken:
    token, expires_in = answer.get("access_token"), answer.get("expires_in")
    if not isinstance(token, str) or not _ACCESS_TOKEN.match(token):
        raise WeChatBadAnswer(f"{path}: no usable access_token")
    if type(expires_in) is not int or expires_in <= 0:
        raise WeChatBadAnswer(f"{path}: no usable expires_in")
    return FetchedToken(token, min(expires_in, MAX_TOKEN_SECONDS), source)


def _wechat_phone(app: MiniProgram, answer: dict[str, Any]) -> WeChatPhone:
    """Read ``phone_info``; countryCode is text or, in older captures, a number. Does not check the number itself."""
    info = answer.get("phone_info")
    watermark = info.get("watermark") if isinstance(info, dict) else None
    if not isinstance(info, dict) or not isinstance(watermark, dict):
        raise WeChatBadAnswer(f"{PHONE_ENDPOINT}: no phone_info with a watermark")
    country, national, tapped_at = info.get("countryCode"), info.get("purePhoneNumber"), watermark.get("timestamp")
    if type(country) not in (str, int) or not isinstance(national, str):
        raise WeChatBadAnswer(f"{PHONE_ENDPOINT}: no usable number")
    if watermark.get("appid") != app.appid or type(tapped_at) is not int:
        raise WeChatBadAnswer(f"{PHONE_ENDPOINT}: the watermark has another appid")
    return WeChatPhone(str(country), national, tapped_at)


def _wechat_session(path: str, answer: dict[str, Any]) -> WeChatSession:
    openid, session_key, unionid = (answer.get(name) for name in ("openid", "session_key", "unionid"))
    if not isinstance(openid, str) or not _IDENTIFIER.match(openid):
        raise WeChatBadAnswer(f"{path}: no usable openid")
    if not isinstance(session_key, str) or not _is_session_key(session_key):
        raise WeChatBadAnswer(f"{path}: no usable session_key")
    if unionid == "":
        unionid = None
    if unionid is not None and not (isinstance(unionid, str) and _IDENTIFIER.match(unionid)):
        raise WeChatBadAnswer(f"{path}: unusable unionid")
    return WeChatSession(openid, session_key, unionid)


def _is_session_key(text: str) -> bool:
    try:
        return len(decode(text)) == 16
    except ValueError:
        return False
