"""The auth blueprint: every contract's login, and who the caller is."""

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, request

from authsvc.errors import InvalidRequest
from authsvc.types import Caller, LoginCommand
from authsvc.web.access import services
from authsvc.web.contracts import CONTRACTS
from authsvc.web.contracts import code_message_data as cmd
from authsvc.web.contracts.shape import LoginRoute
from authsvc.web.operations import Operation, View, add
from authsvc.web.schemas import IDEMPOTENCY_KEY

auth = Blueprint("auth", __name__)


def _login_view(route: LoginRoute) -> View:
    def login(body: dict[str, Any]) -> Mapping[str, Any]:
        command = LoginCommand(
            **route.parse(body),
            policy=route.policy,
            referer=request.headers.get("Referer"),
            idempotency_key=_idempotency_key(),
            device=request.headers.get("User-Agent", ""),
        )
        return route.render(services().login.log_in(command))

    return login


def _idempotency_key() -> str | None:
    key = request.headers.get("Idempotency-Key")
    if key is not None and not IDEMPOTENCY_KEY.match(key):
        raise InvalidRequest("header", fields={"Idempotency-Key": ["malformed"]})
    return key


def _profile(caller: Caller) -> Mapping[str, Any]:
    return cmd.envelope(cmd.user_view(caller))


for _contract in CONTRACTS:
    for _route in _contract.logins:
        _operation = Operation(_contract, _route.summary, _route.answer, body=_route.body)
        add(auth, "POST", _route.rule, _operation, _login_view(_route))

add(
    auth,
    "GET",
    "/api/v1/user/profile",
    Operation(cmd.CODE_MESSAGE_DATA, "Who the caller is", cmd.ProfileAnswer(), guarded=True),
    _profile,
)
