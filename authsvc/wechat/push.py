"""Message push (消息推送) from WeChat: verifying the sender, decrypting and reading messages.

Protocol: WeChat pages "消息推送" and "消息加解密说明". A signature covers token, timestamp and nonce, and in safe mode
also the ciphertext. Without AES keys the message itself is not signed. Every failure raises the same PushRejected.
"""

import base64
import binascii
import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from typing import Any
from xml.etree.ElementTree import ParseError

from Crypto.Cipher import AES
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from authsvc.errors import PushRejected
from authsvc.values.wechat import MiniProgram, PushEvent, PushQuery, PushSecrets

# The padding is for 32-byte blocks, although the cipher's blocks have 16 bytes.
_PADDING_BLOCK = 32
_RANDOM_BYTES = 16
_LENGTH_BYTES = 4
_HEADER_BYTES = _RANDOM_BYTES + _LENGTH_BYTES
_DIGITS = re.compile(r"\d+", re.ASCII)


class PushReader:
    """Reads pushes for one mini program."""

    def __init__(self, app: MiniProgram, secrets: PushSecrets) -> None:
        self._appid = app.appid
        self._secrets = secrets

    def check_address(self, query: PushQuery) -> None:
        """Accept the request with which WeChat's console tests the address. Raises PushRejected."""
        self._check(query.signature, query.timestamp, query.nonce)

    def read(self, query: PushQuery, body: bytes) -> PushEvent:
        """Return the event in a delivery, JSON or XML. Raises PushRejected.

        With AES keys, only the encrypted part counts, even if there are plain fields beside it (compatible mode).
        """
        members = _members(body)
        if self._secrets.aes_keys:
            sealed = str(members.get("Encrypt", ""))
            self._check(query.msg_signature, query.timestamp, query.nonce, sealed)
            members = _members(self._open(sealed))
        else:
            self._check(query.signature, query.timestamp, query.nonce)
            if "Encrypt" in members and "Event" not in members:
                raise PushRejected("encrypted, and no AES key is set")
        if members.get("AppID", self._appid) != self._appid:
            raise PushRejected("about another appid")
        return _event(members)

    def _check(self, signature: str, *parts: str) -> None:
        signed = "".join(sorted((self._secrets.token, *parts)))
        expected = hashlib.sha1(signed.encode()).hexdigest()  # noqa: S324 (WeChat's choice)
        if not hmac.compare_digest(expected.encode(), signature.encode()):
            raise PushRejected("wrong signature")

    def _open(self, sealed: str) -> bytes:
        """Return the message in a ciphertext (base64 text), encrypted with the current or the previous key."""
        for key in self._secrets.aes_keys:
            message, appid = _unframed(_decrypted(key, sealed))
            if appid == self._appid.encode():
                return message
        raise PushRejected("no AES key opens it, or it is for another appid")


def _decrypted(key: bytes, sealed: str) -> bytes:
    """Return the plaintext without its padding, or nothing if the padding is wrong."""
    try:
        data = base64.b64decode(sealed, validate=True)
        text = AES.new(key, AES.MODE_CBC, key[:16]).decrypt(data)
    except (binascii.Error, ValueError):
        return b""
    length = text[-1] if text else 0
    is_padded = 1 <= length <= _PADDING_BLOCK and text.endswith(bytes([length]) * length)
    return text[:-length] if is_padded else b""


def _unframed(frame: bytes) -> tuple[bytes, bytes]:
    """Return message and appid: 16 random bytes, the message's length (4 bytes, big-endian), message, appid."""
    length = int.from_bytes(frame[_RANDOM_BYTES:_HEADER_BYTES], "big")
    end = _HEADER_BYTES + length
    return frame[_HEADER_BYTES:end], frame[end:]


def _members(body: bytes) -> dict[str, Any]:
    """Return the members of a JSON object, or the elements below an XML root, by name."""
    try:
        if body.lstrip().startswith(b"<"):
            return {element.tag: element.text or "" for element in fromstring(body)}
        value = json.loads(body.decode("utf-8"))
    except (ValueError, RecursionError, ParseError, DefusedXmlException):
        raise PushRejected("neither JSON nor XML") from None
    if not isinstance(value, dict):
        raise PushRejected("JSON, but not an object")
    # WeChat's own samples have names with a leading blank.
    return {name.strip(): member for name, member in value.items()}


def _event(members: Mapping[str, Any]) -> PushEvent:
    created = str(members.get("CreateTime", ""))
    return PushEvent(
        name=str(members.get("Event") or members.get("MsgType") or ""),
        openid=str(members.get("OpenID") or "") or None,
        sender=str(members.get("FromUserName", "")),
        created_at=int(created) if _DIGITS.fullmatch(created) and len(created) < 12 else 0,
        revoked=frozenset(int(number) for number in _DIGITS.findall(str(members.get("RevokeInfo", ""))[:200])),
    )
