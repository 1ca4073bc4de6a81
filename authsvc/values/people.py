"""People: their profile, their numbers, what they have agreed to, what happened to their account."""

from dataclasses import dataclass, field
from typing import Literal

PhonePolicy = Literal["link", "reject"]
UserStatus = Literal["active", "disabled", "closed"]


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
class IdentityLink:
    """An identity as its owner sees it: in which mini program, since when (seconds UTC).

    ``is_added`` is another WeChat than their own, which a session of that mini program has let in.
    """

    id: int
    appid: str
    created_at: int
    is_added: bool = False


@dataclass(frozen=True, slots=True)
class Consent:
    """What somebody has agreed to: the version that the client named, and when (seconds UTC)."""

    version: str
    given_at: int


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
