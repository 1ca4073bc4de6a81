"""Sessions and sign-ins: login requests, claims of tokens, callers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from authsvc.values.invites import InviteStatus
from authsvc.values.people import Profile, User
from authsvc.values.wechat import EncryptedData, SignedProfile

ExtraClaim = Literal["openid", "nickname"]
# The shapes that a deployment can serve; native is always served.
ContractName = Literal["native", "bearer", "detail", "code_message_data", "code_msg_data", "success_data"]
ScanState = Literal["pending", "scanned", "approved", "refused"]

# How much of a User-Agent is stored.
DEVICE_CHARACTERS = 255


@dataclass(frozen=True, slots=True)
class SessionCaps:
    """How many live sessions a user may have, and how many may be opened within a day (0: no limit)."""

    per_user: int = 50
    per_day: int = 500


@dataclass(frozen=True, slots=True)
class TokenPolicy:
    """The token policy of a contract: lifetime and idle limit in seconds.

    ``least_left`` is how many seconds a token must still be valid so that a refresh need not replace it.
    """

    contract: str
    lifetime: int
    idle: int
    extra_claims: tuple[ExtraClaim, ...] = ()
    least_left: int = 0


@dataclass(frozen=True, slots=True)
class LoginCommand:
    """A login request, as parsed by any contract.

    ``appid`` is the caller's explicit choice, ``referer`` the header; ``policy`` is None for the native contract, whose
    tokens follow the settings.
    """

    code: str = field(repr=False)
    policy: TokenPolicy | None = None
    encrypted: EncryptedData | None = None
    signed: SignedProfile | None = None
    phone_code: str | None = field(default=None, repr=False)
    # The encrypted payload must come from the phone button.
    expects_phone: bool = False
    # What the client claims about the person.
    claimed: "Profile | None" = None
    # The invite code as sent, unchecked.
    invite_code: str | None = None
    # False if a new person gets a registration ticket instead of a user.
    registers: bool = True
    # The version of the privacy terms that the person agrees to.
    consent_version: str | None = None
    # Reopen a closed account within its cooling-off period.
    reopens: bool = False
    appid: str | None = None
    referer: str | None = field(default=None, repr=False)
    idempotency_key: str | None = field(default=None, repr=False)
    address: str | None = field(default=None, repr=False)
    device: str = ""


@dataclass(frozen=True, slots=True)
class Session:
    """One login on one device. The id is 128 random bits as base64url text; times are seconds since 1970 UTC.

    ``counter`` says how often its ticket was rotated, ``contract`` which front end it serves, and ``identity_id`` which
    of the user's identities signed in.
    """

    id: str
    user_id: int
    appid: str
    contract: str
    counter: int = 0
    rotated_at: int = 0
    created_at: int = 0
    last_used_at: int = 0
    device: str = ""
    identity_id: int | None = None


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A signed JWT and its lifetime in seconds."""

    text: str = field(repr=False)
    expires_in: int


@dataclass(frozen=True, slots=True)
class VerifiedClaims:
    """Claims of a token whose signature, issuer, audience and times were checked; created only by that check."""

    user_id: int
    session_id: str
    appid: str
    jti: str
    expires_at: int
    issued_at: int
    audience: str


@dataclass(frozen=True, slots=True)
class LiveToken:
    """A token that would be accepted now, and its user; ``claims`` are those of an access token."""

    user_id: int
    session_id: str
    appid: str
    claims: VerifiedClaims | None = None


@dataclass(frozen=True, slots=True)
class LoginResult:
    """The result of a login: the user, the session, and the token.

    ``opened`` is the decrypted payload, if any; ``invite`` the result for the invite code, if there was one.
    """

    user: User
    session: Session
    token: AccessToken
    openid: str = field(repr=False)
    refresh_token: str = field(default="", repr=False)
    is_new: bool = False
    opened: Mapping[str, Any] | None = field(default=None, repr=False)
    invite: InviteStatus | None = None


@dataclass(frozen=True, slots=True)
class Stranger:
    """An identity without a user: a sealed ticket with which its owner may register, once, within ten minutes."""

    ticket: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Caller:
    """A signed-in user, as checked by a guard: the user, the session, and the token."""

    user: User
    session: Session
    claims: VerifiedClaims
    openid: str = field(default="", repr=False)
