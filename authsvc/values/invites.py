"""Invite codes and the results of their use."""

from dataclasses import dataclass, fields
from typing import Literal

from authsvc.values.people import UserStatus

InviteFault = Literal["disabled", "expired", "used_up"]
# The result for the code that somebody came with.
InviteStatus = Literal["accepted", "unknown", "own_code", "already_invited", "disabled", "expired", "used_up", "loop"]
Registration = Literal["open", "invite_only", "closed"]
InviteCodeSource = Literal["new", "pool"]


@dataclass(frozen=True, slots=True)
class InvitePolicy:
    """The form of a user's own invite code: ``prefix`` and ``length`` random characters, at most 20 together.

    ``max_uses`` and ``days`` of 0 mean no limit. With ``source`` pool, it is a seeded code without an owner, while
    there are any.
    """

    prefix: str = ""
    length: int = 12
    max_uses: int = 0
    days: int = 0
    source: InviteCodeSource = "new"


@dataclass(frozen=True, slots=True)
class InviteCode:
    """An invite code as stored; times in seconds UTC. ``None`` means: no owner (a pool), no limit, never.

    ``owner_status`` is the status of the owner, if there is one; ``batch_number`` counts the codes of one batch from 1.
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
        """Return why nobody can use it at the moment, or None. If the owner has left, the code is disabled."""
        if self.disabled_at is not None or self.owner_status not in (None, "active"):
            return "disabled"
        if self.expires_at is not None and self.expires_at <= now:
            return "expired"
        return "used_up" if self.max_uses is not None and self.uses >= self.max_uses else None


@dataclass(frozen=True, slots=True)
class InviteBatch:
    """A requested batch of codes: how many, and the form of each (see ``InvitePolicy`` and ``InviteCode``)."""

    name: str
    count: int
    prefix: str
    length: int
    max_uses: int | None
    expires_at: int | None
    owner_id: int | None


@dataclass(frozen=True, slots=True)
class ImportedInvite:
    """A code to import, created here or elsewhere."""

    code: str
    batch: str | None = None
    owner_id: int | None = None
    max_uses: int | None = None
    expires_at: int | None = None
    is_disabled: bool = False


@dataclass(frozen=True, slots=True)
class InviteBatchStats:
    """Counts of the codes of a batch; ``batch`` None is for codes without one. A code may count in several columns."""

    batch: str | None
    codes: int
    owned: int
    uses: int
    used_up: int
    expired: int
    disabled: int

    def plus(self, other: "InviteBatchStats") -> "InviteBatchStats":
        """Return the counts of both, which are parts of one batch."""
        sums = {field.name: getattr(self, field.name) + getattr(other, field.name) for field in fields(self)[1:]}
        return InviteBatchStats(self.batch, **sums)


@dataclass(frozen=True, slots=True)
class Arrivals:
    """The people who came with a user's codes: the total, and some of them, latest first, as (number, seconds UTC).

    The first person has number 1. Nothing else about them is shown.
    """

    count: int
    latest: tuple[tuple[int, int], ...]
    has_more: bool = False
