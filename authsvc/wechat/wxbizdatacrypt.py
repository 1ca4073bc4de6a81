"""WXBizDataCrypt: decrypts data that a mini program encrypted with the session_key, and checks its signatures.

Protocol: WeChat page "开放数据校验与解密" (signature.html). The cipher is AES-128-CBC without integrity protection. To
avoid a padding oracle, callers must give every failure the same answer and limit the number of attempts.
"""

import base64
import binascii
import hashlib
import hmac
import math
from typing import Any

from Crypto.Cipher import AES
from Crypto.Util.Padding import unpad

from authsvc import strictjson
from authsvc.errors import DataRejected

_BLOCK = AES.block_size
# A full profile has 400 bytes; a month of step counts about 1,600.
MAX_CIPHERTEXT_BYTES = 8192
_MAX_DEPTH = 8


class WXBizDataCrypt:
    """Decrypts data of one mini program with one session_key."""

    def __init__(self, appid: str, session_key: str) -> None:
        """``session_key`` is base64 text of 16 bytes."""
        self._appid = appid
        self._session_key = session_key

    def decrypt(self, encrypted_data: str, iv: str) -> dict[str, Any]:
        """Return the JSON object inside ``encrypted_data`` (base64 text; ``iv``: base64 text of 16 bytes).

        Padding, UTF-8, JSON and ``watermark.appid`` must all be valid; otherwise raises DataRejected, which never says
        which of them was not. The caller must check the watermark's age.
        """
        try:
            payload = strictjson.read(self._open(encrypted_data, iv), fraction=_finite)
            issued_for = payload["watermark"]["appid"]
        except (ValueError, KeyError, TypeError):
            raise DataRejected from None
        if issued_for != self._appid or _is_deeper(payload, _MAX_DEPTH):
            raise DataRejected
        assert isinstance(payload, dict)  # noqa: S101 (a list or text has no ["watermark"])
        return payload

    def _open(self, encrypted_data: str, iv: str) -> str:
        key, vector, sealed = (decode(text) for text in (self._session_key, iv, encrypted_data))
        if len(key) != _BLOCK or len(vector) != _BLOCK or not 0 < len(sealed) <= MAX_CIPHERTEXT_BYTES:
            raise ValueError
        return unpad(AES.new(key, AES.MODE_CBC, vector).decrypt(sealed), _BLOCK).decode("utf-8")


def decode(text: str) -> bytes:
    """Return the bytes of strict base64 text; raise ValueError for anything else, including foreign characters."""
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError from error


def signature_matches(raw_data: str, signature: str, session_key: str) -> bool:
    """True if ``signature`` is hex(SHA-1(rawData + session_key)), with the key as its base64 text."""
    expected = hashlib.sha1((raw_data + session_key).encode()).hexdigest()  # noqa: S324 (WeChat's choice)
    return hmac.compare_digest(expected.encode(), signature.encode())


def _finite(digits: str) -> float:
    """Refuse numbers like 1e400, which parse as infinity and could not be written to a JSON answer."""
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(digits)
    return number


def _is_deeper(value: Any, levels: int) -> bool:
    """True if objects and lists are nested more than ``levels`` deep.

    Looks no deeper: a payload may nest 4,000 times.
    """
    if not isinstance(value, dict | list):
        return False
    items = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_is_deeper(item, levels - 1) for item in items)
