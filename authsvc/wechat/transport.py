"""HTTP calls to WeChat: one connection pool, a deadline, a size limit, a cap on calls, and careful repeats.

URLs here contain AppSecret and access_token, and exceptions of ``requests`` and ``urllib3`` contain the URL. These
exceptions never leave this module, and no message of ours repeats their text.
"""

import json
import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlencode

from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3.exceptions import HTTPError
from urllib3.util import Retry, Timeout

from authsvc import metrics, strictjson
from authsvc.connections import NotConnected, deadline, remaining
from authsvc.errors import (
    WeChatBadAnswer,
    WeChatBusy,
    WeChatError,
    WeChatNoAnswer,
    WeChatOverloaded,
    WeChatUnreachable,
)
from authsvc.wechat.breaker import Breaker, Bulkhead
from authsvc.wechat.deadline import DeadlineAdapter
from authsvc.wechat.errcodes import error_for
from authsvc.wechat.wire import BrokenOff, Unusable, Wire

logger = logging.getLogger(__name__)

CALL_SECONDS = 5.0
# For the name, every address, the proxy and TLS together; the remaining time is enough for a second try.
_CONNECT_SECONDS = 3.0
# A try with less time than this is not started.
_TRY_SECONDS = 1.5
_MAX_JSON_BYTES = 64 * 1024
_MAX_PICTURE_BYTES = 2 * 1024 * 1024
_TRIES = 2
_HEADERS = {"Accept": "*/*", "Accept-Encoding": "identity"}
_JSON_HEADERS = {**_HEADERS, "Content-Type": "application/json"}
# urllib3 must not repeat anything by itself; _answer decides what may be repeated.
_ONCE = Retry(total=False, redirect=False)

T = TypeVar("T")


class Query(dict[str, Any]):
    """The values of a URL or a body. Error reporters print local variables, so this shows only names in its repr."""

    def __repr__(self) -> str:
        return f"<query of {', '.join(self)}>"


@dataclass(frozen=True, slots=True)
class _Request:
    """A call. A ``repeatable`` one may be sent again after a lost answer, because a second call changes nothing."""

    method: str
    path: str
    target: str = field(repr=False)
    body: bytes | None = field(repr=False)
    repeatable: bool
    most_bytes: int = _MAX_JSON_BYTES


class Transport:
    """Sends requests to WeChat and returns its JSON objects, or pictures.

    Every call ends within five seconds, whichever part is slow: the name, an address, a proxy, TLS, the answer. It is
    repeated once within that time if it was provably never sent, or if WeChat answered -1 (busy). After a lost answer
    it is only repeated if a second call changes nothing, because a one-time code must not be used twice.
    """

    def __init__(
        self,
        base_url: str,
        *,
        max_in_flight: int,
        proxy: str | None = None,
        ca_file: Path | None = None,
        failed: Callable[[str, WeChatError], None] = lambda path, error: None,
    ) -> None:
        """``failed`` gets the path and the error of every call that fails; it must not raise."""
        # The adapter without a Session: no cookies, no redirects, no proxies from the environment. Its pool is called
        # directly, because the work of requests around each call takes as much CPU as a token (measured).
        adapter = DeadlineAdapter(str(ca_file or DEFAULT_CA_BUNDLE_PATH), connections=max_in_flight)
        self._pool, self._prefix = adapter.pool_for(base_url, proxy)
        # urllib3 knows how to use a proxy.
        self._wire = None if proxy else Wire(self._pool, _HEADERS)
        self._bulkhead = Bulkhead(max_in_flight)
        self._breaker = Breaker()
        self._failed = failed

    def get(self, path: str, query: Query, *, repeatable: bool = False) -> dict[str, Any]:
        """Return the JSON object in the answer to a GET; raises a WeChatError."""
        return self._call(_Request("GET", path, self._target(path, query), None, repeatable), _successful)

    def post(self, path: str, query: Query, body: Query, *, repeatable: bool = False) -> dict[str, Any]:
        """Return the JSON object in the answer to a POST; raises a WeChatError.

        The body is JSON in UTF-8, without escapes and with its length; WeChat has refused other forms.
        """
        return self._call(_Request("POST", path, self._target(path, query), _json(body), repeatable), _successful)

    def post_for_picture(self, path: str, query: Query, body: Query) -> bytes:
        """Return the answer to a POST that draws a picture: anything but JSON, 1 byte to 2 MB.

        Sends it as ``post`` does, as a repeatable call. Raises a WeChatError.
        """
        target = self._target(path, query)
        return self._call(_Request("POST", path, target, _json(body), True, _MAX_PICTURE_BYTES), _picture)

    def _target(self, path: str, query: Query) -> str:
        return f"{self._prefix}{path}?{urlencode(query)}" if query else f"{self._prefix}{path}"

    def _call(self, request: _Request, read: Callable[[str, bytes], T]) -> T:
        outcome, began = "ok", time.perf_counter()
        try:
            with self._bulkhead.place(), deadline(CALL_SECONDS):
                return self._answer(request, read)
        except WeChatError as error:
            outcome = error.error
            self._failed(request.path, error)
            raise
        finally:
            metrics.wechat_calls_of(request.path, outcome).inc()
            metrics.wechat_seconds_of(request.path).observe(time.perf_counter() - began)

    def _answer(self, request: _Request, read: Callable[[str, bytes], T]) -> T:
        """Send, and send once more if that is safe and there is time."""
        for attempt in range(1, _TRIES + 1):
            try:
                with self._breaker.watch():
                    return self._ask(request, read)
            except WeChatOverloaded:
                raise  # our own breaker, which will not have changed after 100 ms
            except (WeChatUnreachable, WeChatBusy, WeChatNoAnswer) as error:
                lost = isinstance(error, WeChatNoAnswer) and not request.repeatable
                pause = random.uniform(0.05, 0.15)  # noqa: S311 (jitter, not a secret)
                if attempt == _TRIES or lost or remaining() < pause + _TRY_SECONDS:
                    raise
                logger.info("WeChat call is repeated: %s", error)
                time.sleep(pause)
        raise AssertionError("unreachable")

    def _ask(self, request: _Request, read: Callable[[str, bytes], T]) -> T:
        path = request.path
        status, body = self._exchange(request)
        if status != 200:
            kind = WeChatNoAnswer if status >= 500 or status == 429 else WeChatBadAnswer
            raise kind(f"{path}: HTTP status {status}")
        return read(path, body)

    def _exchange(self, request: _Request) -> tuple[int, bytes]:
        """Return status and body, undecoded and not too long.

        A compressed body, which was not requested, is refused.
        """
        seconds = min(_CONNECT_SECONDS, max(remaining(), 0.01))
        try:
            if self._wire is None:
                return self._by_proxy(request, seconds)
            most = request.most_bytes
            return self._wire.exchange(request.method, request.target, request.body, seconds=seconds, most_bytes=most)
        except NotConnected as failure:  # unknown name, refused, bad certificate: nothing was sent
            whose = "WX_PROXY" if failure.at_proxy else "WX_API_BASE"
            raise WeChatUnreachable(f"{request.path}: {whose} cannot be reached: {failure}") from None
        except Unusable as answer:
            raise WeChatBadAnswer(f"{request.path}: {answer}") from None
        except (BrokenOff, HTTPError, OSError, ValueError) as error:
            raise WeChatNoAnswer(f"{request.path}: {type(error).__name__}") from None

    def _by_proxy(self, request: _Request, seconds: float) -> tuple[int, bytes]:
        response = self._pool.urlopen(
            request.method,
            request.target,
            body=request.body,
            headers=_HEADERS if request.body is None else _JSON_HEADERS,
            retries=_ONCE,
            timeout=Timeout(connect=seconds, read=CALL_SECONDS),
            preload_content=False,
            assert_same_host=False,  # of a proxy, the address names another host
        )
        try:
            body: bytes = response.read(request.most_bytes + 1, decode_content=False)
            if len(body) > request.most_bytes:
                raise Unusable(f"more than {request.most_bytes} bytes")
        except BaseException:
            response.close()
            raise
        response.release_conn()
        return response.status, body


def _json(body: Query) -> bytes:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def _successful(path: str, body: bytes) -> dict[str, Any]:
    """Return the JSON object of a success; raises the error for the errcode of a failure."""
    answer = _json_object(path, body)
    errcode = answer.get("errcode", 0)
    if type(errcode) is not int:
        raise WeChatBadAnswer(f"{path}: errcode is not a number")
    if errcode != 0:
        raise error_for(path, errcode, str(answer.get("errmsg", "")))
    return answer


def _picture(path: str, body: bytes) -> bytes:
    """Return a body that is not JSON. The header cannot be trusted: it says image/jpeg for PNGs and even for errors."""
    if not body.startswith(b"{"):
        if not body:
            raise WeChatBadAnswer(f"{path}: empty answer")
        return body
    _successful(path, body)
    raise WeChatBadAnswer(f"{path}: JSON without an error instead of a picture")


def _json_object(path: str, body: bytes) -> dict[str, Any]:
    """Parse by content, because WeChat's header says text/plain here and image/jpeg elsewhere."""
    try:
        text = body.decode("utf-8") if body.startswith(b"{") else "null"
        answer = strictjson.read(text)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise WeChatBadAnswer(f"{path}: not a JSON object")
    return answer
