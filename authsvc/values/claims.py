"""Claims by rule: what an operator lets the access tokens of a mini program say, and roles that services set."""

import re
from dataclasses import dataclass
from typing import Literal

ClaimSource = Literal["new_user", "has_phone", "invite_campaign", "roles"]
ClaimValue = str | bool | list[str]

# Together these keep a token below 2 KB.
MOST_CLAIMS = 8
MOST_ROLES = 16
ROLE_CHARACTERS = 32
ROLE = re.compile(rf"[A-Za-z0-9_.:-]{{1,{ROLE_CHARACTERS}}}\Z")


@dataclass(frozen=True, slots=True)
class ClaimRule:
    """One claim, and where its value comes from. ``days`` is for new_user; 0: only in the login that registers."""

    name: str
    source: ClaimSource
    days: int = 0


@dataclass(frozen=True, slots=True)
class Standing:
    """What is stored about a person for their tokens: the campaign that they came with, and their roles in one app."""

    campaign: str | None = None
    roles: tuple[str, ...] = ()
