"""Mini programs, and what WeChat says: keys, tokens, numbers, pushes."""

import base64
from dataclasses import dataclass, field
from typing import Literal

TokenApi = Literal["stable_token", "token"]

APPID = "wx[0-9a-f]{16}"
# As WeChat makes them, with room: visible ASCII.
ACCESS_TOKEN = r"[\x21-\x7e]{1,1024}"  # noqa: S105 (what one looks like)


@dataclass(frozen=True, slots=True)
class PushSecrets:
    """Token and EncodingAESKeys (32 bytes each, the one of now first) of a mini program's message push.

    Without keys, messages come in plain text; with keys, none but encrypted ones count.
    """

    token: str = field(repr=False)
    aes_keys: tuple[bytes, ...] = field(default=(), repr=False)

    @property
    def texts(self) -> list[str]:
        """What must not appear in a log; of a key, its base64 text but for the last character, which may vary."""
        return [self.token, *(base64.b64encode(key).decode()[:42] for key in self.aes_keys)]


@dataclass(frozen=True, slots=True)
class PushQuery:
    """What stands in the address of a push. ``timestamp`` is seconds since 1970 UTC, as text."""

    signature: str
    timestamp: str
    nonce: str
    msg_signature: str = ""


@dataclass(frozen=True, slots=True)
class PushEvent:
    """What WeChat pushed: the event's name, whom it is about, when it was (seconds UTC), what was revoked."""

    name: str
    openid: str | None = field(repr=False)
    sender: str = field(repr=False)
    created_at: int
    revoked: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class MiniProgram:
    """One mini program that authsvc logs people into.

    ``audience`` is the ``aud`` of the tokens of its users: what the other services of the company check.
    """

    appid: str
    secret: str = field(repr=False)
    audience: str
    push: PushSecrets | None = None


@dataclass(frozen=True, slots=True)
class WeChatSession:
    """What code2session answered: the openid (28 characters), the session_key (base64 text of 16 bytes)."""

    openid: str = field(repr=False)
    session_key: str = field(repr=False)
    unionid: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class FetchedToken:
    """An access_token as WeChat gave it: the seconds it has left, and the endpoint that gave it."""

    token: str = field(repr=False)
    expires_in: int
    source: TokenApi = "stable_token"


@dataclass(frozen=True, slots=True)
class TokenStatus:
    """What may be told of a stored access_token: never its text. Seconds; ``None`` where there is nothing to tell.

    ``failure`` names the last failed fetch while it is remembered, ``failed_ago`` says when that was.
    """

    age: int | None = None
    expires_in: int | None = None
    source: TokenApi | None = None
    failure: str | None = None
    failed_ago: int | None = None


@dataclass(frozen=True, slots=True)
class WeChatPhone:
    """A number that WeChat vouches for: country code and national number, as WeChat writes them.

    ``tapped_at`` is when the user gave it away (seconds since 1970 UTC, WeChat's clock).
    """

    country_code: str = field(repr=False)
    national: str = field(repr=False)
    tapped_at: int = 0


@dataclass(frozen=True, slots=True)
class EncryptedData:
    """``encryptedData`` and ``iv`` as the mini program got them, both base64 text."""

    data: str = field(repr=False)
    iv: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class SignedProfile:
    """``rawData`` (JSON text, byte for byte) and its ``signature`` (40 lowercase hex digits)."""

    raw_data: str = field(repr=False)
    signature: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class HeldKey:
    """How the session_key of an identity stands at WeChat: "current", "stale", "reset" just now, or "none" is held."""

    identity_id: int
    appid: str
    state: str
