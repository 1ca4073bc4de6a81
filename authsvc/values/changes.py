"""What changed about people, as the company's other services hear of it."""

from dataclasses import dataclass, field
from typing import Literal

ChangeKind = Literal[
    "person.registered",
    "person.merged",
    "person.unmerged",
    "person.disabled",
    "person.enabled",
    "person.closed",
    "person.reopened",
    "person.erased",
    "phone.changed",
    "profile.changed",
    "identity.linked",
    "identity.unlinked",
    "roles.changed",
    "sessions.ended",
]


@dataclass(frozen=True, slots=True)
class PersonChange:
    """One change of one person. ``at`` is seconds UTC.

    ``into_id`` is the user that ``user_id`` was merged into, or split off from.

    ``position`` orders all changes as they were committed; it has gaps.
    """

    position: int
    kind: ChangeKind
    user_id: int
    into_id: int | None
    at: int


WebhookScope = Literal["openid", "phone"]


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where another service wants to be told of changes. ``kinds`` is empty for all kinds.

    ``position`` is that of the last change which its deliveries were made for; times are seconds UTC.
    """

    name: str
    url: str
    kinds: tuple[ChangeKind, ...]
    scopes: tuple[WebhookScope, ...]
    secret: str = field(repr=False)
    previous_secret: str | None = field(repr=False)
    rotated_at: int
    position: int
    paused_at: int | None
    created_at: int


@dataclass(frozen=True, slots=True)
class Delivery:
    """A change on its way to a webhook. ``dead_at`` is when the last attempt of the schedule failed."""

    id: int
    webhook: str
    change: PersonChange
    attempts: int
    due_at: int
    dead_at: int | None
    last_error: str


@dataclass(frozen=True, slots=True)
class WebhookBacklog:
    """How many deliveries of a webhook wait and are dead, and since when (seconds UTC) the oldest one waits."""

    waiting: int
    dead: int
    oldest_at: int | None
