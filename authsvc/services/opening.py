"""Opening what the phone encrypted, and checking what it signed, under the session_keys that may apply.

A phone button tapped before ``wx.login`` replaced the key is the most reported failure of this field: data under the
previous key is accepted too, for ten minutes after the change. Five failures under a key end this way for that key.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from sqlalchemy import Connection

from authsvc.clock import SystemClock
from authsvc.db import decryptfailures
from authsvc.errors import DataRejected
from authsvc.sealing import KeyedHash
from authsvc.types import EncryptedData, MiniProgram, SignedProfile
from authsvc.wechat.wxbizdatacrypt import WXBizDataCrypt, signature_matches

T = TypeVar("T")

MAX_FAILURES = 5
# WeChat's clock may be ahead of ours by this much.
_FUTURE_SECONDS = 60


class SealedData:
    """What came encrypted or signed with one request."""

    def __init__(self, hashes: KeyedHash, clock: SystemClock, max_age: int) -> None:
        self._hashes = hashes
        self._clock = clock
        self._max_age = max_age

    def open(
        self, connection: Connection, app: MiniProgram, keys: Sequence[str], data: EncryptedData, openid: str
    ) -> dict[str, Any]:
        """Return the decrypted payload; ``keys`` are session_keys (base64 text), the likeliest first.

        Raises DataRejected, the same for every cause, when no key opens it, a key has failed five times, the
        watermark is not ours or too old, or it is about another openid.
        """

        def opened(key: str) -> dict[str, Any] | None:
            return self._decrypt(app, key, data, openid)

        return self._first(connection, keys, opened)

    def check_signature(self, connection: Connection, keys: Sequence[str], signed: SignedProfile) -> None:
        """Raise DataRejected unless ``rawData`` was signed under one of the keys."""

        def matching(key: str) -> bool | None:
            return signature_matches(signed.raw_data, signed.signature, key) or None

        self._first(connection, keys, matching)

    def count_failure(self, connection: Connection, keys: Sequence[str]) -> None:
        """Record that data was refused under these keys."""
        now = int(self._clock.now())
        for key in keys:
            decryptfailures.add(connection, self._hashes.of(key), now)

    def _first(self, connection: Connection, keys: Sequence[str], attempt: Callable[[str], T | None]) -> T:
        for key in keys:
            result = attempt(key)
            if result is not None and not self._is_closed(connection, key):
                return result
        raise DataRejected("no session_key fits, or its tries are used up")

    def _is_closed(self, connection: Connection, key: str) -> bool:
        return decryptfailures.count(connection, self._hashes.of(key)) >= MAX_FAILURES

    def _decrypt(self, app: MiniProgram, key: str, data: EncryptedData, openid: str) -> dict[str, Any] | None:
        try:
            payload = WXBizDataCrypt(app.appid, key).decrypt(data.data, data.iv)
        except DataRejected:
            return None
        timestamp = payload["watermark"].get("timestamp")
        if type(timestamp) is not int or payload.get("openId", openid) != openid:
            return None
        age = int(self._clock.now()) - timestamp  # whole numbers only: a float and 400 digits overflow
        return payload if -_FUTURE_SECONDS <= age <= self._max_age else None
