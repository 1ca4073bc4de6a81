"""What an operator and other services see."""

from dataclasses import dataclass, field
from typing import Literal

from authsvc.values.people import UserStatus

ServiceScope = Literal["access_token", "introspect", "metrics", "qrcode", "revoke"]
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
# The column has 255.
_REST_CHARACTERS = 150


class Refused(Exception):
    """What an operator asked for is not done: the text says why. ``will_pass``: the same will do later."""

    will_pass: bool = False


class Incomplete(Exception):
    """What an operator asked for is done, but not all of it: the text says what is missing."""


@dataclass(frozen=True, slots=True)
class UserConflict:
    """Two users with one unionid: an identity of the first, in this mini program, carries the unionid of the other."""

    user_id: int
    other_user_id: int
    appid: str


def of_app(appid: str, rest: str = "") -> str:
    """Return the ``detail`` of an audit event in one mini program. ``rest`` may be what a device says of itself."""
    return f"app {appid}, {rest[:_REST_CHARACTERS]}" if rest else f"app {appid}"


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
