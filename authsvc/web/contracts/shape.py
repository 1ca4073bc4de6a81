"""The parts of a contract, and the fields that all contracts read in the same way."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from flask import Response
from marshmallow import Schema, fields, validate

from authsvc.errors import AuthSvcError
from authsvc.values.invites import InviteStatus
from authsvc.values.sessions import LoginResult, TokenPolicy
from authsvc.values.wechat import EncryptedData, SignedProfile

# The use cases that a contract's route can have; auth.py and phone.py of web/routes have a view for each.
Use = Literal["login", "register", "renew", "extend", "profile", "log_out", "look_up_phone", "own_qrcode"]


@dataclass(frozen=True, slots=True)
class Problem:
    """An error ready to be written: status, sentence in the reader's language, reasons per field."""

    error: AuthSvcError
    status: int
    message: str
    fields: Mapping[str, str]
    request_id: str

    @property
    def text(self) -> str:
        """The sentence, followed by the wrong fields."""
        reasons = "; ".join(f"{name} {reason}" for name, reason in self.fields.items())
        return f"{self.message}: {reasons}" if reasons else self.message


@dataclass(frozen=True, slots=True)
class Route:
    """One route of a contract: its use case, how its request is read, and how its answer is written.

    ``parse`` turns the loaded fields into the arguments of the use case; ``render`` turns its result into JSON. Fields
    come in the query of a GET, and otherwise in the JSON body.
    """

    use: Use
    method: Literal["GET", "POST"]
    rule: str
    summary: str
    answer: Schema
    render: Callable[[Any], dict[str, Any]]
    fields: Schema | None = None
    parse: Callable[[dict[str, Any]], dict[str, Any]] = dict
    policy: TokenPolicy | None = None
    status: int = 200


@dataclass(frozen=True, slots=True)
class Contract:
    """One front end's shape. ``statuses`` has the errors whose status differs from the native API.

    ``challenge`` is the WWW-Authenticate header of a 401. ``page`` writes an error as a page instead of JSON. What is
    ``for_browsers`` alone is not in the API document.
    """

    name: str
    prefixes: tuple[str, ...]
    render_error: Callable[[Problem], dict[str, Any]]
    error_answer: Schema
    routes: tuple[Route, ...] = ()
    statuses: Mapping[type[AuthSvcError], int] = field(default_factory=dict)
    challenge: str = "Bearer"
    page: Callable[[Problem], Response] | None = None
    for_browsers: bool = False


class InviteOutcome(Schema):
    """The result for the invite code of the request."""

    status = fields.String(required=True, validate=validate.OneOf(get_args(InviteStatus)))


# Only in answers to logins with a code, so that front ends without codes see no difference.
INVITE = fields.Nested(InviteOutcome())


def invite_view(result: LoginResult) -> dict[str, Any]:
    """Return the member that INVITE describes, or none."""
    return {"invite": {"status": result.invite}} if result.invite else {}


def what_came_sealed(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the LoginCommand fields with encrypted and signed data, from their WeChat names."""
    found: dict[str, Any] = {}
    if "encryptedData" in data:
        found["encrypted"] = EncryptedData(data["encryptedData"], data["iv"])
    if "rawData" in data:
        found["signed"] = SignedProfile(data["rawData"], data["signature"])
    return found


def phone_login(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the LoginCommand fields for one-tap phone login; a phone code is preferred."""
    if "phoneCode" in data:
        return {"code": data["code"], "phone_code": data["phoneCode"]}
    return {"code": data["code"], "expects_phone": True, **what_came_sealed(data)}
