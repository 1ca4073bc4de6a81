"""What a contract consists of, and what of a request every contract reads alike."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from marshmallow import Schema

from authsvc.errors import AuthSvcError
from authsvc.types import EncryptedData, LoginResult, SignedProfile, TokenPolicy


@dataclass(frozen=True, slots=True)
class Problem:
    """An error ready to be written: status, sentence in the reader's language, reasons per field."""

    error: AuthSvcError
    status: int
    message: str
    fields: Mapping[str, str]
    request_id: str


@dataclass(frozen=True, slots=True)
class LoginRoute:
    """One way of signing in: how its body reads, and how its answer is written."""

    rule: str
    summary: str
    body: Schema
    answer: Schema
    parse: Callable[[dict[str, Any]], dict[str, Any]]
    render: Callable[[LoginResult], dict[str, Any]]
    policy: TokenPolicy | None = None


@dataclass(frozen=True, slots=True)
class Contract:
    """One front end's shape. ``statuses`` holds where it answers an error with another status than the native API."""

    name: str
    prefixes: tuple[str, ...]
    render_error: Callable[[Problem], dict[str, Any]]
    error_answer: Schema
    logins: tuple[LoginRoute, ...] = ()
    statuses: Mapping[type[AuthSvcError], int] = field(default_factory=dict)


def what_came_sealed(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a LoginCommand that hold encrypted and signed data, from their WeChat names."""
    found: dict[str, Any] = {}
    if "encryptedData" in data:
        found["encrypted"] = EncryptedData(data["encryptedData"], data["iv"])
    if "rawData" in data:
        found["signed"] = SignedProfile(data["rawData"], data["signature"])
    return found
