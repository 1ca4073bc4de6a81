"""Creates encryptedData and signature like the WeChat client (page 开放数据校验与解密)."""

import base64
import hashlib
import json
import secrets
from collections.abc import Mapping

from Crypto.Cipher import AES
from Crypto.Util.Padding import pad

KEY_BYTES = 16


class BadKey(ValueError):
    """A session_key or iv is not base64 of 16 bytes."""


def compact_json(value: Mapping[str, object]) -> str:
    """Return ``value`` as JSON in WeChat's style: no blanks, unescaped characters and slashes."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def new_iv() -> str:
    """Return a fresh iv as base64 text."""
    return base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()


def seal(plaintext: str, session_key: str, iv: str) -> str:
    """Return encryptedData (base64): AES-128-CBC, PKCS#7 to 16, key and iv given as base64.

    Raises BadKey.
    """
    cipher = AES.new(decode_key(session_key), AES.MODE_CBC, decode_key(iv))
    return base64.b64encode(cipher.encrypt(pad(plaintext.encode(), AES.block_size))).decode()


def sign_raw_data(raw_data: str, session_key: str) -> str:
    """Return ``signature``: hex SHA-1 over rawData and the session_key's base64 text (not its bytes)."""
    return hashlib.sha1((raw_data + session_key).encode(), usedforsecurity=False).hexdigest()


def decode_key(text: str) -> bytes:
    """Return the 16 bytes behind a session_key or iv. Raises BadKey."""
    try:
        key = base64.b64decode(text, validate=True)
    except ValueError:
        raise BadKey("not base64") from None
    if len(key) != KEY_BYTES:
        raise BadKey(f"{len(key)} bytes instead of {KEY_BYTES}")
    return key
