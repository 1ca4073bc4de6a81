"""The schemas of requests and answers. Routes get instances, because a class would be instantiated per request.

A validation message is a key of ``REASONS``; the renderer translates it into the reader's language.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import unquote_plus

from marshmallow import RAISE, Schema, ValidationError, fields, validates_schema

from authsvc.services.invites import spelling
from authsvc.services.people import nicknames, profiles
from authsvc.values import wechat

# key: (zh, en)
REASONS: dict[str, tuple[str, str]] = {
    "required": ("缺少必填字段", "is required"),
    "null": ("不能为空", "must not be null"),
    "type": ("类型错误", "has the wrong type"),
    "unknown": ("未知字段", "is not a known field"),
    "malformed": ("格式错误", "is malformed"),
    "too_long": ("过长", "is too long"),
    "percent": ("经过了 URL 编码（百分号编码），请发送原文", "is percent-encoded; send the original value"),
    "base64": ("不是有效的 base64", "is not valid base64"),
    "length": ("长度错误", "has the wrong length"),
    "together": ("必须成对提供", "must come as a pair"),
    "alone": ("只能提供其中一种", "must come without its alternative"),
    "characters": ("含有控制字符或文字方向控制符", "contains control or text-direction characters"),
    "empty": ("不能为空白", "must not be blank"),
    "placeholder": ("是微信的占位昵称", "is WeChat's placeholder"),
}

_MESSAGES: dict[str, str | list[Any] | dict[Any, Any]] = {
    "required": "required",
    "null": "null",
    "invalid": "type",
    "type": "type",
    "unknown": "unknown",
}
_SURROGATE_OR_NUL = re.compile("[\x00\ud800-\udfff]")
# wx.login codes are 32 alphanumerics, phone codes 64 hex digits; observed, not documented.
# The sentence and the word come from developer tools without an AppID; later code reports them.
CODE = re.compile(r"(?:[0-9A-Za-z_-]{1,128}|the code is a mock one)\Z")
APPID = re.compile(rf"(?:{wechat.APPID}|touristappid)\Z")
TOKEN = re.compile(rf"{wechat.ACCESS_TOKEN}\Z")
SHA1_HEX = re.compile(r"[0-9a-f]{40}\Z")
SCOPE = re.compile(r"(?:local|others|global)\Z")
# The version of privacy terms, as their author names it: 2026-11, 1.2.0.
CONSENT_VERSION = re.compile(r"[A-Za-z0-9._-]{1,40}\Z")
# The number of a row at which a page of a list begins.
NUMBER = re.compile(r"[1-9][0-9]*\Z")
IDEMPOTENCY_KEY = re.compile(r"[A-Za-z0-9_-]{8,64}\Z")
# A keyed hash, and 16 random bytes as base64url.
SCAN_ID = re.compile(r"[0-9a-f]{64}\Z")
SCAN_TICKET = re.compile(r"[A-Za-z0-9_-]{22}\Z")
_BLOCK = 16
_ONE_BLOCK = "^[A-Za-z0-9+/]{22}==$"
_BLOCKS = "^(?:[A-Za-z0-9+/]{64})*(?:[A-Za-z0-9+/]{22}==|[A-Za-z0-9+/]{43}=|[A-Za-z0-9+/]{64})$"


class Body(Schema):
    """A JSON object without unknown members."""

    class Meta:
        unknown = RAISE

    error_messages = {"unknown": "unknown", "type": "type", "invalid": "type"}  # noqa: RUF012 (marshmallow's)


class Text(fields.String):
    """Text of at most ``most`` characters, matching a pattern if there is one, without NUL and lone surrogates."""

    def __init__(
        self,
        most: int,
        pattern: re.Pattern[str] | None = None,
        *,
        description: str = "",
        documented: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> None:
        """``documented`` goes into the OpenAPI document alone."""
        metadata = {"maxLength": most, "description": description, **(documented or {})}
        if pattern is not None:
            metadata["pattern"] = f"^{pattern.pattern.removesuffix(chr(92) + 'Z')}$"
        super().__init__(error_messages=_MESSAGES, metadata=metadata, **options)
        self._most = most
        self._pattern = pattern

    def _deserialize(self, value: Any, attr: str | None, data: Any, **options: Any) -> str:
        text: str = super()._deserialize(value, attr, data, **options)
        if len(text) > self._most:
            raise ValidationError("too_long")
        if _SURROGATE_OR_NUL.search(text) or (self._pattern and not self._pattern.match(text)):
            raise ValidationError("malformed")
        return text


class Base64(Text):
    """Base64 text of whole cipher blocks: ``exactly`` that many bytes, or up to ``most_bytes``.

    A blank becomes ``+`` again: base64 has no blanks, and a ``+`` in a query or form is often decoded as a blank.
    """

    def __init__(self, *, exactly: int | None = None, most_bytes: int = 8192, **options: Any) -> None:
        # Not given to Text: blanks are read too, which is not worth documenting.
        documented = {"pattern": _ONE_BLOCK if exactly else _BLOCKS}
        super().__init__((exactly or most_bytes) * 4 // 3 + 4, documented=documented, **options)
        self._exactly = exactly

    def _deserialize(self, value: Any, attr: str | None, data: Any, **options: Any) -> str:
        text = super()._deserialize(value, attr, data, **options).replace(" ", "+")
        if "%" in text:
            raise ValidationError("percent")
        try:
            size = len(base64.b64decode(text, validate=True))
        except (binascii.Error, ValueError):
            raise ValidationError("base64") from None
        fits = size == self._exactly if self._exactly else size > 0 and size % _BLOCK == 0
        if not fits:
            raise ValidationError("length")
        return text


class RawData(Text):
    """``rawData`` from WeChat: JSON text with a signature over every byte.

    If it was percent-encoded once, it is decoded; WeChat's text begins with a brace.
    """

    def _deserialize(self, value: Any, attr: str | None, data: Any, **options: Any) -> str:
        if isinstance(value, str) and value[:3].lower() == "%7b":
            value = _once_decoded(value)
        text = super()._deserialize(value, attr, data, **options)
        if text.startswith("%"):
            raise ValidationError("percent")
        return text


def _once_decoded(text: str) -> str:
    try:
        # A bare + among escapes is a form's blank, because a + itself would be escaped.
        return unquote_plus(text, errors="strict")
    except UnicodeDecodeError:
        raise ValidationError("percent") from None


class Nested(fields.Nested):
    """An object inside the body."""

    def __init__(self, nested: Schema, **options: Any) -> None:
        super().__init__(nested, error_messages=_MESSAGES, **options)


class Texts(fields.List[str]):
    """A list of ``least`` to ``most`` texts of at most ``longest`` characters each, matching a pattern if any."""

    def __init__(
        self,
        longest: int,
        most: int,
        pattern: re.Pattern[str] | None = None,
        *,
        least: int = 1,
        description: str = "",
        **options: Any,
    ) -> None:
        metadata = {"description": description, "minItems": least, "maxItems": most}
        super().__init__(Text(longest, pattern), error_messages=_MESSAGES, metadata=metadata, **options)
        self._least = least
        self._most = most

    def _deserialize(self, value: Any, attr: str | None, data: Any, **options: Any) -> list[Any]:
        if not isinstance(value, list):
            raise ValidationError("type")
        if len(value) < self._least:
            raise ValidationError("empty")
        if len(value) > self._most:
            raise ValidationError("too_long")
        return super()._deserialize(value, attr, data, **options)


class Integer(fields.Integer):
    """A whole number, written as one."""

    def __init__(self, **options: Any) -> None:
        super().__init__(strict=True, error_messages=_MESSAGES, **options)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **options: Any) -> int:
        if type(value) is not int:
            raise ValidationError("type")
        return value


class Boolean(fields.Boolean):
    """true or false, not words for them."""

    def __init__(self, *, description: str = "", **options: Any) -> None:
        metadata = {"description": description}
        super().__init__(truthy={True}, falsy={False}, error_messages=_MESSAGES, metadata=metadata, **options)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **options: Any) -> bool:
        if not isinstance(value, bool):
            raise ValidationError("type")
        return value


class Nickname(fields.String):
    """A nickname: stored as typed, or refused with the reason."""

    def __init__(self) -> None:
        metadata = {"maxLength": nicknames.MAX_CHARACTERS, "description": "stored as typed; limits count code points"}
        super().__init__(error_messages=_MESSAGES, metadata=metadata)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **options: Any) -> str:
        text: str = super()._deserialize(value, attr, data, **options)
        if (reason := nicknames.fault(text)) is not None:
            raise ValidationError(reason)
        return text


class ClaimedNickname(fields.String):
    """A nickname that comes with a login: any text is accepted, and ``nicknames.usable`` decides what is stored."""

    def __init__(self) -> None:
        metadata = {"description": "harmful characters are removed, and the rest is cut at 64 code points"}
        super().__init__(allow_none=True, error_messages=_MESSAGES, metadata=metadata)


class AvatarUrl(Text):
    """The https address of a picture other than WeChat's placeholder."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **options: Any) -> str:
        url = profiles.https_url(super()._deserialize(value, attr, data, **options))
        if url is None:
            raise ValidationError("malformed")
        return url


class InviteField(fields.String):
    """An invite code. Any text is accepted, because the login reports a wrong code without failing."""

    def __init__(self) -> None:
        metadata = {"maxLength": spelling.MAX_CHARS, "description": "invite code; case-sensitive"}
        super().__init__(allow_none=True, error_messages=_MESSAGES, metadata=metadata)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **options: Any) -> str:
        text: str = super()._deserialize(value, attr, data, **options)
        # With one character too many it is not a code, so the rest is not needed.
        return text[: spelling.MAX_CHARS + 1]


class EncryptedFields(Body):
    """The phone's encrypted and signed data: each pair may be missing, but only as a whole."""

    constraints: ClassVar[dict[str, Any]] = {
        "dependentRequired": {
            one: [other]
            for pair in (("encryptedData", "iv"), ("rawData", "signature"))
            for one, other in (pair, pair[::-1])
        }
    }
    encryptedData = Base64(description="base64, from wx.getUserInfo or the phone button")
    iv = Base64(exactly=_BLOCK, description="base64 of 16 bytes")
    rawData = RawData(4096, description="JSON text, byte for byte as the mini program received it")
    signature = Text(40, SHA1_HEX, description="hex SHA-1 of rawData and session_key")

    @validates_schema
    def _pairs(self, data: dict[str, Any], **_: Any) -> None:
        for one, other in (("encryptedData", "iv"), ("rawData", "signature")):
            for present, absent in ((one, other), (other, one)):
                if present in data and absent not in data:
                    raise ValidationError("together", absent)


class CodeField(Text):
    """A single-use code of WeChat: of ``wx.login`` unless the description says otherwise."""

    def __init__(self, *, description: str = "code of wx.login; single use", **options: Any) -> None:
        super().__init__(128, CODE, description=description, **options)


class PhoneLoginFields(Body):
    """One-tap phone login: the phone button's encrypted data, or its code."""

    constraints: ClassVar[dict[str, Any]] = {
        "anyOf": [{"required": ["phoneCode"]}, {"required": ["encryptedData", "iv"]}]
    }
    code = CodeField(required=True)
    encryptedData = Base64(description="base64, from the phone button")
    iv = Base64(exactly=_BLOCK, description="base64 of 16 bytes")
    phoneCode = CodeField(description="e.detail.code of the phone button; preferred")
    invite_code = InviteField()

    @validates_schema
    def _either(self, data: dict[str, Any], **_: Any) -> None:
        if "phoneCode" in data:
            return
        missing = {name: ["required"] for name in ("encryptedData", "iv") if name not in data}
        if missing:
            raise ValidationError(missing)
