"""Frozen values that travel between rooms. No behaviour beyond what a value knows of itself.

Fields that must not reach a log are kept out of ``repr``.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

ExtraClaim = Literal["openid", "nickname"]
PhonePolicy = Literal["link", "reject"]
TokenApi = Literal["stable_token", "token"]
ServiceScope = Literal["access_token", "introspect", "metrics", "qrcode", "revoke"]
LimitedKind = Literal[
    "login",
    "refresh",
    "phone",
    "invite",
    "qrcode",
    "signin",
    "avatar",
    "export",
    "request",
    "gateway",
    "read",
    "push",
    "health",
]
Asker = Literal["address", "app", "user", "service"]
# The shapes that a deployment serves; native is always one of them.
ContractName = Literal["native", "bearer", "detail", "code_message_data", "code_msg_data", "success_data"]
# Why the database cannot do its work: for operators, in readiness and in the log.
DatabaseWord = Literal[
    "busy",
    "unreachable",
    "read_only",
    "no_rights",
    "login_refused",
    "no_database",
    "schema",
    "full",
    "disk",
    "server_mode",
    "tls",
    "unknown",
]
UserStatus = Literal["active", "disabled", "closed"]
InviteFault = Literal["disabled", "expired", "used_up"]
# What became of the code that somebody came with.
InviteStatus = Literal["accepted", "unknown", "own_code", "already_invited", "disabled", "expired", "used_up", "loop"]
Registration = Literal["open", "invite_only", "closed"]
InviteCodeSource = Literal["new", "pool"]
ScanState = Literal["pending", "scanned", "approved", "refused"]


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
class PhoneBudgets:
    """How many numbers WeChat may be asked for in a day; 0 is no limit. ``per_app`` stops everybody.

    ``unattributed`` is the share of ``per_app`` for calls that name nobody, ``unattributed_per_address`` what one
    address (of IPv6, a /56) may take of it.
    """

    per_user: int = 5
    per_address: int = 300
    per_app: int = 10_000
    unattributed: int = 5_000
    unattributed_per_address: int = 100


@dataclass(frozen=True, slots=True)
class InvitePolicy:
    """What the invite code of a user's own is like: ``prefix`` and ``length`` random characters, at most 20 together.

    ``max_uses`` and ``days`` of 0 are no limit. With ``source`` pool it is one that was seeded without an owner, as
    long as there are any.
    """

    prefix: str = ""
    length: int = 12
    max_uses: int = 0
    days: int = 0
    source: InviteCodeSource = "new"


@dataclass(frozen=True, slots=True)
class InviteCode:
    """An invite code as stored; times in seconds UTC. ``None`` says: no owner (a pool), no limit, never.

    ``owner_status`` is that of the owner, if there is one; ``batch_number`` counts the codes of one batch from 1 on.
    """

    id: int
    code: str
    owner_id: int | None
    max_uses: int | None
    uses: int
    expires_at: int | None
    disabled_at: int | None
    created_at: int
    owner_status: UserStatus | None = None
    batch: str | None = None
    batch_number: int | None = None

    def fault(self, now: int) -> InviteFault | None:
        """Return why nobody can use it at this moment, if so. An owner who has left takes the code out of use."""
        if self.disabled_at is not None or self.owner_status not in (None, "active"):
            return "disabled"
        if self.expires_at is not None and self.expires_at <= now:
            return "expired"
        return "used_up" if self.max_uses is not None and self.uses >= self.max_uses else None


@dataclass(frozen=True, slots=True)
class InviteBatch:
    """A batch of codes as it is wanted: how many, and what each is like (see ``InvitePolicy`` and ``InviteCode``)."""

    name: str
    count: int
    prefix: str
    length: int
    max_uses: int | None
    expires_at: int | None
    owner_id: int | None


@dataclass(frozen=True, slots=True)
class ImportedInvite:
    """A code that is brought along, made here or elsewhere."""

    code: str
    batch: str | None = None
    owner_id: int | None = None
    max_uses: int | None = None
    expires_at: int | None = None
    is_disabled: bool = False


@dataclass(frozen=True, slots=True)
class InviteBatchStats:
    """How the codes of a batch stand; ``batch`` None counts those of no batch. A code may be in several columns."""

    batch: str | None
    codes: int
    owned: int
    uses: int
    used_up: int
    expired: int
    disabled: int


@dataclass(frozen=True, slots=True)
class SessionCaps:
    """How many sessions of one user live at most, and how many may be opened within a day; 0 of these is no limit."""

    per_user: int = 50
    per_day: int = 500


@dataclass(frozen=True, slots=True)
class Rate:
    """So many requests within so many seconds."""

    requests: int
    seconds: int


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Who came with a user's codes: how many in all, and some of them, the latest first: (number, seconds UTC).

    The first to come has number 1: that is all there is to say of them.
    """

    count: int
    latest: tuple[tuple[int, int], ...]
    has_more: bool = False


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
class TokenPolicy:
    """What a contract promises its front end about the token: lifetime and idle limit in seconds.

    ``least_left`` is how many seconds a token must still have to be kept by a refresh that does not replace it.
    """

    contract: str
    lifetime: int
    idle: int
    extra_claims: tuple[ExtraClaim, ...] = ()
    least_left: int = 0


@dataclass(frozen=True, slots=True)
class PhoneNumber:
    """A phone number in its one canonical form: country code ("86") and national digits."""

    country_code: str
    national: str = field(repr=False)

    @property
    def e164(self) -> str:
        """The number as E.164 writes it, such as +8613800138000."""
        return f"+{self.country_code}{self.national}"


@dataclass(frozen=True, slots=True)
class LoginCommand:
    """A login as any contract understood it.

    ``appid`` is the caller's explicit choice, ``referer`` the header; ``policy`` is None for the native contract,
    whose tokens are as the settings say.
    """

    code: str = field(repr=False)
    policy: TokenPolicy | None = None
    encrypted: EncryptedData | None = None
    signed: SignedProfile | None = None
    phone_code: str | None = field(default=None, repr=False)
    # The encrypted payload must be that of the phone button.
    expects_phone: bool = False
    # What the client merely says of the person.
    claimed: "Profile | None" = None
    # Whatever text came as invite code.
    invite_code: str | None = None
    # False where a stranger gets a registration ticket instead of a user.
    registers: bool = True
    # The version of the privacy terms that the person agrees to.
    consent_version: str | None = None
    # A closed account is to be opened again, within its cooling-off period.
    reopens: bool = False
    appid: str | None = None
    referer: str | None = field(default=None, repr=False)
    idempotency_key: str | None = field(default=None, repr=False)
    address: str | None = field(default=None, repr=False)
    device: str = ""


@dataclass(frozen=True, slots=True)
class Profile:
    """What a person shows of themselves; ``None`` where nothing is known."""

    nickname: str | None = None
    avatar_url: str | None = field(default=None, repr=False)
    gender: int | None = None

    def over(self, older: "Profile") -> "Profile":
        """Return this profile with its gaps filled from an older one."""
        return Profile(
            self.nickname if self.nickname is not None else older.nickname,
            self.avatar_url if self.avatar_url is not None else older.avatar_url,
            self.gender if self.gender is not None else older.gender,
        )


@dataclass(frozen=True, slots=True)
class User:
    """A person, as other rooms see them. ``created_at`` is seconds since 1970 UTC."""

    id: int
    status: UserStatus
    profile: Profile
    token_version: int
    created_at: int
    phone: PhoneNumber | None = None
    claimed_phone: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Session:
    """One login on one device. The id is 128 random bits as base64url text; times are seconds since 1970 UTC.

    ``counter`` says how often its ticket was rotated, ``contract`` which front end it serves, ``identity_id`` by which
    of the user's identities they signed in.
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
class IdentityLink:
    """An identity as its owner sees it: in which mini program, since when (seconds UTC).

    ``is_added`` is another WeChat than their own, which a session of that mini program has let in.
    """

    id: int
    appid: str
    created_at: int
    is_added: bool = False


@dataclass(frozen=True, slots=True)
class HeldKey:
    """How the session_key of an identity stands at WeChat: "current", "stale", "reset" just now, or "none" is held."""

    identity_id: int
    appid: str
    state: str


@dataclass(frozen=True, slots=True)
class UserConflict:
    """Two users with one unionid: an identity of the first, in this mini program, carries the unionid of the other."""

    user_id: int
    other_user_id: int
    appid: str


@dataclass(frozen=True, slots=True)
class Consent:
    """What somebody has agreed to: the version that the client named, and when (seconds UTC)."""

    version: str
    given_at: int


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """A change that matters for security. ``subject`` is a keyed hash of an openid; ``at`` is seconds UTC."""

    id: int
    at: int
    event: str
    user_id: int | None
    subject: str
    detail: str
    request_id: str


@dataclass(frozen=True, slots=True)
class ActivityEntry:
    """An audit event as its person sees it: in which mini program, and from which device (User-Agent, cut), if known.

    ``id`` says where to go on; ``at`` is seconds UTC.
    """

    id: int
    at: int
    event: str
    appid: str | None
    device: str | None


@dataclass(frozen=True, slots=True)
class Activity:
    """The latest of what happened to an account since then (seconds UTC), newest first, and whether there is more."""

    entries: tuple[ActivityEntry, ...]
    since: int
    has_more: bool


@dataclass(frozen=True, slots=True)
class UserSummary:
    """A user as an operator finds them. Times are seconds UTC; phones as E.164 writes them."""

    id: int
    status: UserStatus
    nickname: str | None
    phone: str | None = field(repr=False)
    claimed_phone: str | None = field(repr=False)
    created_at: int = 0
    last_login_at: int = 0
    closed_at: int | None = None
    merged_into_id: int | None = None


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A signed JWT and the seconds it lives."""

    text: str = field(repr=False)
    expires_in: int


@dataclass(frozen=True, slots=True)
class VerifiedClaims:
    """Claims of a token whose signature, issuer, audience and times were checked: nothing else makes one."""

    user_id: int
    session_id: str
    appid: str
    jti: str
    expires_at: int
    issued_at: int
    audience: str


@dataclass(frozen=True, slots=True)
class LiveToken:
    """A token that would be accepted now, and in whose name; ``claims`` are those of an access token."""

    user_id: int
    session_id: str
    appid: str
    claims: VerifiedClaims | None = None


@dataclass(frozen=True, slots=True)
class LoginResult:
    """What a login gives: who, in which session, with which token.

    ``opened`` is the decrypted payload, if any; ``invite`` what became of the invite code, if one came along.
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
    """Nobody's identity yet: a sealed ticket with which its owner may register, once, within ten minutes."""

    ticket: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Caller:
    """A signed-in user, as a guard let them in: who, in which session, with which token."""

    user: User
    session: Session
    claims: VerifiedClaims
    openid: str = field(default="", repr=False)
