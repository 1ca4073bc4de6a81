"""Values for operators and other services."""

import re
from dataclasses import dataclass, field
from typing import Literal, get_args

from authsvc.values.people import IdentityLink, UserStatus

ServiceScope = Literal[
    "access_token",
    "directory_openid",
    "directory_phone",
    "directory_profile",
    "directory_read",
    "directory_roles",
    "directory_unionid",
    "introspect",
    "metrics",
    "qrcode",
    "revoke",
    "session_check",
    "session_open",
    "session_sign",
]
# Each may do what the ones before it may.
OperatorRole = Literal["read", "support", "owner"]
# Why an operator's request about a user was refused.
UserRefusal = Literal[
    "no_such_user",
    "already_disabled",
    "not_disabled",
    "merged_away",
    "not_active",
    "same_user",
    "nothing_to_undo",
    "built_on",
]
# Why the database cannot do its work, for readiness and the log.
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
# Of what an operator gives as the reason of an act. Like the rest below, it goes into a column of 255 characters.
REASON_CHARACTERS = 150
# One line: no control or text-direction characters, and no blank at the beginning.
REASON = re.compile(
    r"[^\s\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]"
    r"[^\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]*\Z"
)
_REST_CHARACTERS = 150


class Refused(Exception):
    """The operator's request was refused; the text says why. ``will_pass``: the same request will work later."""

    will_pass: bool = False


class UserRefused(Refused):
    """What was asked about a user was refused, for one of the known reasons."""

    def __init__(self, reason: UserRefusal, text: str) -> None:
        super().__init__(text)
        self.reason = reason


class Incomplete(Exception):
    """The operator's request was only partly done; the text says what is missing."""


@dataclass(frozen=True, slots=True)
class UserConflict:
    """Two users with one unionid: an identity of the first, in this mini program, has the unionid of the other."""

    user_id: int
    other_user_id: int
    appid: str


def of_app(appid: str, rest: str = "") -> str:
    """Return the ``detail`` of an audit event in one mini program. ``rest`` may be a User-Agent."""
    return f"app {appid}, {rest[:_REST_CHARACTERS]}" if rest else f"app {appid}"


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """A security-relevant change. ``subject`` is a keyed hash of an openid; ``at`` is seconds UTC.

    ``operator`` is empty for the command line, and for people's own acts.
    """

    id: int
    at: int
    event: str
    user_id: int | None
    subject: str
    detail: str
    request_id: str
    operator: str = ""


@dataclass(frozen=True, slots=True)
class SignedInOperator:
    """An operator who makes a request. On a page, ``session`` is its id, and ``csrf`` is what its forms carry."""

    name: str
    role: OperatorRole
    session: str = field(default="", repr=False)
    csrf: str = field(default="", repr=False)

    def may(self, role: OperatorRole) -> bool:
        """Tell whether this operator may do what needs the role."""
        roles = get_args(OperatorRole)
        return self.role in roles and roles.index(self.role) >= roles.index(role)


@dataclass(frozen=True, slots=True)
class ByDay:
    """Counts by day in China, oldest first: (days since 1970, count). The last day is today.

    ``is_cut`` says that earlier days of the asked time are left out, because there is too much to count.
    """

    days: tuple[tuple[int, int], ...]
    is_cut: bool = False

    @property
    def total(self) -> int:
        """The sum of all days."""
        return sum(count for _, count in self.days)

    @property
    def today(self) -> int:
        """The count of today, so far."""
        return self.days[-1][1] if self.days else 0


@dataclass(frozen=True, slots=True)
class DoctorsLine:
    """A line of the doctor: the check's name, ok | warning | wrong | skipped, what was found, and what to do."""

    check: str
    status: str
    says: str
    todo: str


@dataclass(frozen=True, slots=True)
class UserSummary:
    """The operator's view of a user. Times are seconds UTC; phone numbers are in E.164."""

    id: int
    status: UserStatus
    nickname: str | None
    phone: str | None = field(repr=False)
    claimed_phone: str | None = field(repr=False)
    created_at: int = 0
    last_login_at: int = 0
    closed_at: int | None = None
    merged_into_id: int | None = None


# What a merge does with something that only one user can have.
Fate = Literal["none", "moves", "lost"]


@dataclass(frozen=True, slots=True)
class MergePreview:
    """What a merge would do now: what of the loser moves, ends or is lost.

    ``guests`` came through the loser; ``merged_ids`` were merged into the loser before. ``phone`` is the loser's
    verified number, ``invite`` how the loser came.
    """

    loser_id: int
    winner_id: int
    identities: tuple[IdentityLink, ...]
    phone: Fate
    invite: Fate
    invite_codes: int
    guests: int
    code_pictures: int
    merged_ids: tuple[int, ...]
    live_sessions: int


@dataclass(frozen=True, slots=True)
class SignIn:
    """One sign-in of a user, and the session that began with it. Times are seconds UTC; ``ended_at`` None: not ended.

    A session may also be dead without an end, because its time is over.
    """

    session_id: str
    appid: str
    contract: str
    device: str
    created_at: int
    last_used_at: int
    ended_at: int | None
    reason: str | None
    is_live: bool


@dataclass(frozen=True, slots=True)
class UserIdentity:
    """One of a user's identities."""

    id: int
    appid: str
    openid: str = field(repr=False)
    created_at: int = 0
    is_added: bool = False


@dataclass(frozen=True, slots=True)
class UserFile:
    """What an operator sees of one user. ``consents`` has versions of privacy terms with their times."""

    summary: UserSummary
    identities: tuple[UserIdentity, ...]
    consents: tuple[tuple[str, int], ...]
    merged_ids: tuple[int, ...]
    live_sessions: int
    audit_events: int


@dataclass(frozen=True, slots=True)
class KnownService:
    """Another service that has a credential."""

    name: str
    scopes: tuple[str, ...]
    created_at: int


@dataclass(frozen=True, slots=True)
class KeyInUse:
    """A published signing key: its state since a moment, its next step, and when that is possible (0: now)."""

    kid: str
    state: str
    since: int
    next: str
    ready_at: int


def masked_phone(phone: str) -> str:
    """Return a number with all but its last four digits hidden."""
    return f"{'*' * (len(phone) - 4)}{phone[-4:]}"


def masked_openid(openid: str) -> str:
    """Return the ends of an openid."""
    return f"{openid[:2]}…{openid[-4:]}"
