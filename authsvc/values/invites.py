"""Invite codes and what became of them."""

from dataclasses import dataclass
from typing import Literal

from authsvc.values.people import UserStatus

InviteFault = Literal["disabled", "expired", "used_up"]
# What became of the code that somebody came with.
InviteStatus = Literal["accepted", "unknown", "own_code", "already_invited", "disabled", "expired", "used_up", "loop"]
Registration = Literal["open", "invite_only", "closed"]
InviteCodeSource = Literal["new", "pool"]


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
class Arrivals:
    """Who came with a user's codes: how many in all, and some of them, the latest first: (number, seconds UTC).

    The first to come has number 1: that is all there is to say of them.
    """

    count: int
    latest: tuple[tuple[int, int], ...]
    has_more: bool = False
