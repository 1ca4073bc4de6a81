"""Rate limits, and budgets for what costs money."""

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
    "operator",
    "directory",
]
Asker = Literal["address", "app", "user", "service", "operator"]


@dataclass(frozen=True, slots=True)
class PhoneBudgets:
    """How many phone numbers may be requested from WeChat in a day; 0 means no limit. ``per_app`` stops everybody.

    ``unattributed`` is the share of ``per_app`` for calls that identify nobody, and ``unattributed_per_address`` the
    part of it for one address (IPv6: a /56).
    """

    per_user: int = 5
    per_address: int = 300
    per_app: int = 10_000
    unattributed: int = 5_000
    unattributed_per_address: int = 100


@dataclass(frozen=True, slots=True)
class Rate:
    """A number of requests within a number of seconds."""

    requests: int
    seconds: int
