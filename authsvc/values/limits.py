"""How often, and how much of what costs money."""

from dataclasses import dataclass
from typing import Literal

LimitedKind = Literal[
    "login",
    "refresh",
    "phone",
    "invite",
    "qrcode",
    "signin",
    "avatar",
    "export",
    "request",
    "gateway",
    "read",
    "push",
    "health",
]
Asker = Literal["address", "app", "user", "service"]


@dataclass(frozen=True, slots=True)
class PhoneBudgets:
    """How many numbers WeChat may be asked for in a day; 0 is no limit. ``per_app`` stops everybody.

    ``unattributed`` is the share of ``per_app`` for calls that name nobody, ``unattributed_per_address`` what one
    address (of IPv6, a /56) may take of it.
    """

    per_user: int = 5
    per_address: int = 300
    per_app: int = 10_000
    unattributed: int = 5_000
    unattributed_per_address: int = 100


@dataclass(frozen=True, slots=True)
class Rate:
    """So many requests within so many seconds."""

    requests: int
    seconds: int
