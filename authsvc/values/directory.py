"""What the directory tells the company's other services about a person."""

from dataclasses import dataclass, field
from typing import Literal

# What people are looked up by.
DirectoryKey = Literal["sub", "openid", "unionid", "phone"]
DirectoryStatus = Literal["active", "disabled", "closed", "merged"]


@dataclass(frozen=True, slots=True)
class Entry:
    """A person in one mini program. ``into_id`` is the user that a merged one is now; ``created_at`` seconds UTC.

    ``openid`` and ``unionid`` are those of that mini program, and ``phone`` is E.164. A closed or merged person has
    none of them, nor a profile.
    """

    user_id: int
    status: DirectoryStatus
    into_id: int | None
    created_at: int
    nickname: str | None = field(default=None, repr=False)
    avatar_url: str | None = field(default=None, repr=False)
    phone: str | None = field(default=None, repr=False)
    openid: str | None = field(default=None, repr=False)
    unionid: str | None = field(default=None, repr=False)
