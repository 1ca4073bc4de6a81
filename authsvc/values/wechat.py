"""Mini programs, and values from WeChat: keys, tokens, numbers, pushes."""

import base64
from dataclasses import dataclass, field
from typing import Literal

from authsvc.values.claims import ClaimRule

TokenApi = Literal["stable_token", "token"]

APPID = "wx[0-9a-f]{16}"
# WeChat's form, with some tolerance: visible ASCII.
ACCESS_TOKEN = r"[\x21-\x7e]{1,1024}"  # noqa: S105 (what one looks like)


@dataclass(frozen=True, slots=True)
class PushSecrets:
    """Token and EncodingAESKeys (32 bytes each, the current one first) of a mini program's message push.

    Without keys, messages come in plain text; with keys, only encrypted ones are accepted.
    """

    token: str = field(repr=False)
    aes_keys: tuple[bytes, ...] = field(default=(), repr=False)

    @property
    def texts(self) -> list[str]:
        """Return what must not appear in a log; a key as base64 text without its last character, which may vary."""
        return [self.token, *(base64.b64encode(key).decode()[:42] for key in self.aes_keys)]


@dataclass(frozen=True, slots=True)
class PushQuery:
    """The query of a push's address. ``timestamp`` is seconds since 1970 UTC, as text."""

    signature: str
    timestamp: str
    nonce: str
    msg_signature: str = ""


@dataclass(frozen=True, slots=True)
class PushEvent:
    """A pushed event: its name, the person concerned, its time (seconds UTC), and what was revoked."""

    name: str
    openid: str | None = field(repr=False)
    sender: str = field(repr=False)
    created_at: int
    revoked: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class AppPicture:
    """The picture by which people recognize a mini program. Its file name follows from its content."""

    name: str
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class MiniProgram:
    """One mini program that authsvc logs people into.

    ``audience`` is the ``aud`` of its users' tokens, which the company's other services check. ``name`` and ``picture``
    are shown to people on authsvc's own pages. ``claims`` are in its tokens besides the standard ones.
    """

    appid: str
    secret: str = field(repr=False)
    audience: str
    push: PushSecrets | None = None
    name: str | None = None
    picture: AppPicture | None = None
    claims: tuple[ClaimRule, ...] = ()


@dataclass(frozen=True, slots=True)
class WeChatSession:
    """The answer of code2session: the openid (28 characters), the session_key (base64 text of 16 bytes)."""

    openid: str = field(repr=False)
    session_key: str = field(repr=False)
    unionid: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class FetchedToken:
    """An access_token from WeChat, with its remaining seconds and the endpoint that returned it."""

    token: str = field(repr=False)
    expires_in: int
    source: TokenApi = "stable_token"


@dataclass(frozen=True, slots=True)
class TokenStatus:
    """The status of a stored access_token, without its text. Times are seconds; ``None`` if unknown.

    ``failure`` describes the last failed fetch while it is remembered, and ``failed_ago`` says when it was.
    """

    age: int | None = None
    expires_in: int | None = None
    source: TokenApi | None = None
    failure: str | None = None
    failed_ago: int | None = None


@dataclass(frozen=True, slots=True)
class WeChatPhone:
    """A number that WeChat has verified: country code and national number, in WeChat's form.

    ``tapped_at`` is when the user agreed (seconds since 1970 UTC, WeChat's clock).
    """

    country_code: str = field(repr=False)
    national: str = field(repr=False)
    tapped_at: int = 0


@dataclass(frozen=True, slots=True)
class EncryptedData:
    """``encryptedData`` and ``iv`` as the mini program received them, both base64 text."""

    data: str = field(repr=False)
    iv: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class SignedProfile:
    """``rawData`` (JSON text, byte for byte) and its ``signature`` (40 lowercase hex digits)."""

    raw_data: str = field(repr=False)
    signature: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class HeldKey:
    """The state of an identity's session_key at WeChat: "current", "stale", "reset" just now, or "none" stored."""

    identity_id: int
    appid: str
    state: str


@dataclass(frozen=True, slots=True, order=True)
class WeChatErrorKind:
    """A kind of failed call: mini program (empty if unknown), endpoint, error of errors.py, and errcode (0: none)."""

    appid: str
    endpoint: str
    error: str
    errcode: int


@dataclass(frozen=True, slots=True)
class WeChatErrorCount:
    """How many calls failed in one way, and the last hour in which one did (seconds UTC of its beginning)."""

    kind: WeChatErrorKind
    calls: int
    latest: int
