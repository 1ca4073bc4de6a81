"""WeChat's server API, one method per endpoint.

URLs here carry AppSecret and access_token, and exceptions of ``requests`` and ``urllib3`` carry the URL: none of
them leaves this module, and no message of ours repeats their text.
"""

import json
import logging
import random
import re
import time
from typing import Any
from urllib.parse import urlencode

from urllib3 import Retry, Timeout
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError

from authsvc.errors import (
    WeChatBadAnswer,
    WeChatBusy,
    WeChatNoAnswer,
    WeChatOverloaded,
    WeChatUnreachable,
)
from authsvc.types import MiniProgram, WeChatSession
from authsvc.wechat.breaker import Breaker, Bulkhead
from authsvc.wechat.deadline import DeadlineAdapter, deadline, remaining
from authsvc.wechat.errcodes import error_for
from authsvc.wechat.wxbizdatacrypt import decode

logger = logging.getLogger(__name__)

CALL_SECONDS = 5.0
_CONNECT_SECONDS = 1.5
_MAX_JSON_BYTES = 64 * 1024
_TRIES = 2
_HEADERS = {"Accept": "*/*", "Accept-Encoding": "identity"}
# urllib3 must not repeat anything by itself: _answer knows what may be repeated.
_ONCE = Retry(total=False, redirect=False)
_IDENTIFIER = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")


class WeChatClient:
    """Calls WeChat over one pool of connections per process.

    Every call ends within five seconds, however the far end behaves. It is repeated, once and within that time, only
    when it provably never left or WeChat answered -1 (busy): a one-time code must not be spent twice.
    """

    def __init__(self, base_url: str, *, max_in_flight: int, proxy: str | None = None) -> None:
        # The adapter without a Session around it: no cookies, no redirects, no proxies from the environment. Its pool
        # is asked directly, because what requests does around each call costs as much CPU as a token (measured).
        adapter = DeadlineAdapter(pool_connections=1, pool_maxsize=max_in_flight, max_retries=0)
        self._pool, self._prefix = adapter.pool_for(base_url, proxy)
        self._bulkhead = Bulkhead(max_in_flight)
        self._breaker = Breaker()

    def code2session(self, app: MiniProgram, code: str) -> WeChatSession:
        """Exchange the code of ``wx.login`` (one use, five minutes). WeChat page: 小程序登录凭证校验.

        Raises LoginCodeInvalid, LoginCodeUsed, or another WeChatError; after WeChatNoAnswer the code may be spent.
        """
        query = _Query(appid=app.appid, secret=app.secret, js_code=code, grant_type="authorization_code")
        answer = self._get("/sns/jscode2session", query)
        return _wechat_session(answer)

    def _get(self, path: str, query: "_Query") -> dict[str, Any]:
        target = _Target(f"{self._prefix}{path}?{urlencode(query)}")
        with self._bulkhead.place(), deadline(CALL_SECONDS):
            return self._answer(path, target)

    def _answer(self, path: str, target: str) -> dict[str, Any]:
        """Send, and send once more where that is safe and there is time."""
        for attempt in range(1, _TRIES + 1):
            try:
                with self._breaker.watch():
                    return self._ask(path, target)
            except WeChatOverloaded:
                raise  # our own breaker, not WeChat: it will not have changed its mind in 100 ms
            except (WeChatUnreachable, WeChatBusy) as error:
                pause = random.uniform(0.05, 0.15)  # noqa: S311 (jitter, not a secret)
                if attempt == _TRIES or remaining() < pause + _CONNECT_SECONDS:
                    raise
                logger.info("WeChat call runs again: %s", error)
                time.sleep(pause)
        raise AssertionError("unreachable")

    def _ask(self, path: str, target: str) -> dict[str, Any]:
        status, body = self._exchange(path, target)
        if status != 200:
            kind = WeChatNoAnswer if status >= 500 or status == 429 else WeChatBadAnswer
            raise kind(f"{path}: HTTP status {status}")
        answer = _json_object(path, body)
        errcode = answer.get("errcode", 0)
        if type(errcode) is not int:
            raise WeChatBadAnswer(f"{path}: errcode is not a number")
        if errcode != 0:
            raise error_for(path, errcode, str(answer.get("errmsg", "")))
        return answer

    def _exchange(self, path: str, target: str) -> tuple[int, bytes]:
        """Return status and at most 64 KB of body, undecoded: a body that was compressed unasked is refused."""
        timeout = Timeout(connect=min(_CONNECT_SECONDS, max(remaining(), 0.01)), read=CALL_SECONDS)
        try:
            response = self._pool.urlopen(
                "GET",
                target,
                headers=_HEADERS,
                retries=_ONCE,
                timeout=timeout,
                preload_content=False,
                assert_same_host=False,  # of a proxy, the address names another host
            )
        except (NewConnectionError, ConnectTimeoutError):  # refused, no name, no route: nothing was sent
            raise WeChatUnreachable(f"{path}: not reachable") from None
        except (HTTPError, OSError, ValueError) as error:
            raise WeChatNoAnswer(f"{path}: {type(error).__name__}") from None
        try:
            body: bytes = response.read(_MAX_JSON_BYTES + 1, decode_content=False)
        except (HTTPError, OSError, ValueError) as error:
            response.close()
            raise WeChatNoAnswer(f"{path}: {type(error).__name__} while reading") from None
        if len(body) > _MAX_JSON_BYTES:
            response.close()
            raise WeChatBadAnswer(f"{path}: more than {_MAX_JSON_BYTES} bytes")
        response.release_conn()
        return response.status, body


class _Query(dict[str, str]):
    """What goes into a URL. Error reporters print the variables of every frame: this one shows its names only."""

    def __repr__(self) -> str:
        return f"<query of {', '.join(self)}>"


class _Target(str):
    """A path with its query, which shows neither."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "<target>"


def _json_object(path: str, body: bytes) -> dict[str, Any]:
    """Parse by content: WeChat's header says text/plain here and image/jpeg elsewhere."""
    try:
        text = body.decode("utf-8") if body.startswith(b"{") else "null"
        answer = json.loads(text, parse_constant=_refuse, object_pairs_hook=_unique)
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict):
        raise WeChatBadAnswer(f"{path}: not a JSON object")
    return answer


def _refuse(name: str) -> Any:
    raise ValueError(name)  # NaN and Infinity are not JSON


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Two openids in one answer: whoever wrote that was not WeChat, or did not finish."""
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("duplicate member")
    return members


def _wechat_session(answer: dict[str, Any]) -> WeChatSession:
    openid, session_key, unionid = (answer.get(name) for name in ("openid", "session_key", "unionid"))
    if not isinstance(openid, str) or not _IDENTIFIER.match(openid):
        raise WeChatBadAnswer("/sns/jscode2session: no usable openid")
    if not isinstance(session_key, str) or not _is_session_key(session_key):
        raise WeChatBadAnswer("/sns/jscode2session: no usable session_key")
    if unionid == "":
        unionid = None
    if unionid is not None and not (isinstance(unionid, str) and _IDENTIFIER.match(unionid)):
        raise WeChatBadAnswer("/sns/jscode2session: unusable unionid")
    return WeChatSession(openid, session_key, unionid)


def _is_session_key(text: str) -> bool:
    try:
        return len(decode(text)) == 16
    except ValueError:
        return False
