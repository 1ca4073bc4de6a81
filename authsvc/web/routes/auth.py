"""The auth blueprint: the logins and session routes of every contract, and the native session routes."""

from collections.abc import Callable, Mapping
from typing import Any

from flask import Blueprint, request
from marshmallow import fields

from authsvc.errors import InvalidRequest
from authsvc.services.sessions.sessions import Scope
from authsvc.values.limits import LimitedKind
from authsvc.values.sessions import Caller, LoginCommand, Session, TokenPolicy, VerifiedClaims
from authsvc.web import ratelimits
from authsvc.web.access import client_address, services, user_agent
from authsvc.web.contracts import CONTRACTS
from authsvc.web.contracts.native import NATIVE, TOKENS_ANSWER, NativeRefresh, envelope, enveloped, tokens_view
from authsvc.web.contracts.shape import Contract, Route, Use
from authsvc.web.routing import Operation, View, add
from authsvc.web.schemas import IDEMPOTENCY_KEY, SCOPE, Body, Text
from authsvc.web.who import PERSON, PERSON_EVEN_EXPIRED, PUBLIC, Who

auth = Blueprint("auth", __name__)


# --- use cases of all contracts ------------------------------------------------------------------------------


def _login(route: Route) -> View:
    def login(body: dict[str, Any]) -> Mapping[str, Any]:
        command = LoginCommand(
            **route.parse(body),
            policy=route.policy,
            invite_code=_invite_code(body),
            referer=request.headers.get("Referer"),
            idempotency_key=_idempotency_key(),
            address=client_address(),
            device=user_agent(),
        )
        ratelimits.by_app("login", services().apps.choose(command.appid, command.referer).appid)
        return route.render(services().login.log_in(command))

    return login


def _register(route: Route) -> View:
    def register(body: dict[str, Any]) -> Mapping[str, Any]:
        registered = services().registration.register(
            **route.parse(body), invite_code=_invite_code(body), policy=_policy(route), device=user_agent()
        )
        return route.render(registered)

    return register


def _renew(route: Route) -> View:
    def renew(claims: VerifiedClaims) -> Mapping[str, Any]:
        return route.render(services().sessions.renew(claims, _policy(route)))

    return renew


def _extend(route: Route) -> View:
    def extend(caller: Caller) -> Mapping[str, Any]:
        services().sessions.extend(caller, _policy(route))
        return route.render(caller)

    return extend


def _profile(route: Route) -> View:
    def profile(caller: Caller) -> Mapping[str, Any]:
        return route.render(caller)

    return profile


def _log_out(route: Route) -> View:
    def log_out(caller: Caller) -> Mapping[str, Any]:
        services().sessions.log_out(caller, "local")
        return route.render(None)

    return log_out


# The view of a use case, who may enter, and the rate limits.
_USES: dict[Use, tuple[Callable[[Route], View], Who, LimitedKind]] = {
    "login": (_login, PUBLIC, "login"),
    "register": (_register, PUBLIC, "login"),
    "renew": (_renew, PERSON_EVEN_EXPIRED, "refresh"),
    "extend": (_extend, PERSON, "refresh"),
    "profile": (_profile, PERSON, "request"),
    "log_out": (_log_out, PERSON, "request"),
}


def _add(contract: Contract, route: Route) -> None:
    view, who, limited = _USES[route.use]
    operation = Operation(
        contract,
        who,
        route.summary,
        route.answer,
        fields=route.fields,
        retryable=route.use == "login",
        status=route.status,
        limited=limited,
    )
    add(auth, route.method, route.rule, operation, view(route))


def _policy(route: Route) -> TokenPolicy:
    assert route.policy is not None  # noqa: S101 (every route of these uses states one)
    return route.policy


def _idempotency_key() -> str | None:
    key = request.headers.get("Idempotency-Key")
    if key is not None and not IDEMPOTENCY_KEY.match(key):
        raise InvalidRequest("header", fields={"Idempotency-Key": ["malformed"]})
    return key


def _invite_code(body: dict[str, Any]) -> str | None:
    """Return the invite code, or None: front ends send an empty text if there is no invite."""
    return body.get("invite_code") or None


for _contract in CONTRACTS:
    for _route in _contract.routes:
        if _route.use in _USES:
            _add(_contract, _route)


# --- native sessions ----------------------------------------------------------------------------------------


class _Scope(Body):
    scope = Text(8, SCOPE, load_default="local", description="local (this session), others, or global")


_SESSION = fields.Nested(
    Body.from_dict(
        {
            "id": fields.String(required=True),
            "appid": fields.String(required=True),
            "device": fields.String(required=True, metadata={"description": "the User-Agent of the login"}),
            "created_at": fields.Integer(required=True, metadata={"description": "seconds since 1970 UTC"}),
            "last_used_at": fields.Integer(required=True, metadata={"description": "accurate to five minutes"}),
            "current": fields.Boolean(required=True),
        },
        name="NativeSession",
    )()
)
_NOTHING = fields.Raw(required=True, allow_none=True)


def _refresh(body: dict[str, Any]) -> Mapping[str, Any]:
    return tokens_view(services().sessions.refresh(body["refresh_token"]))


def _native_log_out(body: dict[str, Any], caller: Caller) -> Mapping[str, Any]:
    scope: Scope = body["scope"]
    services().sessions.log_out(caller, scope)
    return envelope(None)


def _list(caller: Caller) -> Mapping[str, Any]:
    return envelope([_session_view(session, caller) for session in services().sessions.list(caller)])


def _end(caller: Caller, session_id: str) -> Mapping[str, Any]:
    services().sessions.end(caller, session_id)
    return envelope(None)


def _session_view(session: Session, caller: Caller) -> dict[str, Any]:
    return {
        "id": session.id,
        "appid": session.appid,
        "device": session.device,
        "created_at": session.created_at,
        "last_used_at": session.last_used_at,
        "current": session.id == caller.session.id,
    }


def _ends_others(arguments: Mapping[str, Any]) -> bool:
    return bool(arguments["body"]["scope"] != "local")


def _is_another(arguments: Mapping[str, Any]) -> bool:
    return bool(arguments["session_id"] != arguments["caller"].session.id)


add(
    auth,
    "POST",
    "/api/v1/sessions/refresh",
    Operation(
        NATIVE,
        PUBLIC,
        "Rotate the refresh token and get a new access token",
        TOKENS_ANSWER,
        fields=NativeRefresh(),
        limited="refresh",
    ),
    _refresh,
)
add(
    auth,
    "POST",
    "/api/v1/sessions/logout",
    Operation(
        NATIVE,
        PERSON,
        "End this session, all others, or all",
        enveloped("NativeLogoutAnswer", _NOTHING),
        fields=_Scope(),
        in_query=True,
        step_up=_ends_others,
    ),
    _native_log_out,
)
add(
    auth,
    "GET",
    "/api/v1/sessions",
    Operation(
        NATIVE,
        PERSON,
        "The caller's sessions, most recently used first",
        enveloped("NativeSessionsAnswer", fields.List(_SESSION, required=True)),
    ),
    _list,
)
add(
    auth,
    "DELETE",
    "/api/v1/sessions/<session:session_id>",
    Operation(
        NATIVE,
        PERSON,
        "End one of the caller's sessions",
        enveloped("NativeEndAnswer", _NOTHING),
        step_up=_is_another,
    ),
    _end,
)
