"""What changed about people, as the company's other services hear of it."""

from dataclasses import dataclass
from typing import Literal

ChangeKind = Literal[
    "person.registered",
    "person.merged",
    "person.disabled",
    "person.enabled",
    "person.closed",
    "person.reopened",
    "person.erased",
    "phone.changed",
    "profile.changed",
    "identity.linked",
    "identity.unlinked",
    "sessions.ended",
]


@dataclass(frozen=True, slots=True)
class PersonChange:
    """One change of one person. ``at`` is seconds UTC; ``into_id`` is the user that ``user_id`` was merged into.

    ``position`` orders all changes as they were committed; it has gaps.
    """

    position: int
    kind: ChangeKind
    user_id: int
    into_id: int | None
    at: int
