"""People: their profile, phone numbers, consents, and account activity."""

from dataclasses import dataclass, field
from typing import Literal

PhonePolicy = Literal["link", "reject"]
UserStatus = Literal["active", "disabled", "closed"]


@dataclass(frozen=True, slots=True)
class PhoneNumber:
    """A phone number in canonical form: country code ("86") and national digits."""

    country_code: str
    national: str = field(repr=False)

    @property
    def e164(self) -> str:
        """The number in E.164, such as +8613800138000."""
        return f"+{self.country_code}{self.national}"


@dataclass(frozen=True, slots=True)
class Profile:
    """A person's profile; ``None`` for unknown fields."""

    nickname: str | None = None
    avatar_url: str | None = field(default=None, repr=False)
    gender: int | None = None

    def over(self, older: "Profile") -> "Profile":
        """Return this profile with missing fields filled from an older one."""
        return Profile(
            self.nickname if self.nickname is not None else older.nickname,
            self.avatar_url if self.avatar_url is not None else older.avatar_url,
            self.gender if self.gender is not None else older.gender,
        )


@dataclass(frozen=True, slots=True)
class User:
    """A user, as other rooms see it. ``created_at`` is seconds since 1970 UTC."""

    id: int
    status: UserStatus
    profile: Profile
    token_version: int
    created_at: int
    phone: PhoneNumber | None = None
    claimed_phone: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class IdentityLink:
    """The owner's view of an identity: its mini program, and since when (seconds UTC).

    ``is_added`` marks a second WeChat account that a session of that mini program has linked.
    """

    id: int
    appid: str
    created_at: int
    is_added: bool = False


@dataclass(frozen=True, slots=True)
class Consent:
    """A consent: the version that the client named, and when (seconds UTC)."""

    version: str
    given_at: int


@dataclass(frozen=True, slots=True)
class ActivityEntry:
    """A person's view of an audit event, with the mini program and the device (shortened User-Agent), if known.

    ``id`` says where to continue; ``at`` is seconds UTC.
    """

    id: int
    at: int
    event: str
    appid: str | None
    device: str | None


@dataclass(frozen=True, slots=True)
class Activity:
    """The latest events of an account since a time (seconds UTC), newest first, and whether there are more."""

    entries: tuple[ActivityEntry, ...]
    since: int
    has_more: bool
