"""Every kind of token in every place where a token goes: accepted only where the design says so.

A token of any front end is the same kind of token and opens every guarded route. A refresh token only refreshes, the
only token of ``code_message_data`` alone renews itself, a registration ticket only registers, a service's credential
opens what its scope says, and nothing else opens anything.
"""

import base64
import io
import json
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import get_args

import pytest
import requests
from PIL import Image

from authsvc.sealing import Sealer
from authsvc.services.operator.credentials import ServiceCredentials
from authsvc.values.operator import ServiceScope
from tests.conftest import APPID
from tests.harness import signedin
from tests.harness.inprocess import beside
from tests.harness.leaks import Canaries
from tests.harness.operators import new_operator
from tests.harness.scanning import ROUTE
from tests.harness.service import Service
from tests.harness.simulator import Simulator

SESSION_KEY = "/internal/v1/session-key"
SESSION_KEY_SCOPES: dict[str, ServiceScope] = {"sign": "session_sign", "open": "session_open", "check": "session_check"}
Maker = Callable[[Service, Simulator, str], str]
Sender = Callable[[Service, str, Simulator, str], requests.Response]


# --- what there is ----------------------------------------------------------------------------------------------


def _native_access(service: Service, simulator: Simulator, user: str) -> str:
    return signedin.native(service, simulator, user).access


def _native_refresh(service: Service, simulator: Simulator, user: str) -> str:
    return signedin.native(service, simulator, user).refresh


def _detail(service: Service, simulator: Simulator, user: str) -> str:
    """By registering: the token of the second step."""
    body = {"openid": signedin.ticket(service, simulator, user), "phone": _some_phone(), "sex": 0}
    answer = service.call("POST", "/wx/login", json=body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["token"])


def _sealed_for(purpose: str) -> Maker:
    """What a registration ticket holds, sealed under the same secret for another purpose."""

    def make(service: Service, simulator: Simulator, user: str) -> str:
        key = service.environment["SECRET_KEYS"]
        secret = base64.urlsafe_b64decode(key + "=" * (-len(key) % 4))
        content = [user, APPID, "oFORGED000000000000000000000", None, int(time.time()) + 600]
        return Sealer((secret,), purpose).seal(json.dumps(content))

    return make


def _invite_code(service: Service, simulator: Simulator, user: str) -> str:
    token = signedin.native(service, simulator, user).access
    return str(service.call("GET", "/api/v1/me/invite", token=token).json()["data"]["invite_code"])


# The owner's; the answer of an act on nobody shows that they are let in.
OPERATOR = "operator credential"
# By what they are good for; made once, as using a credential does not use it up.
CREDENTIALS: dict[str, str] = {}


@pytest.fixture(scope="module", autouse=True)
def _credentials(sqlite_service: Service, canaries: Canaries) -> Iterator[None]:
    with beside(sqlite_service) as app:
        kept: ServiceCredentials = app.extensions["authsvc"].service_credentials
        for scope in get_args(ServiceScope):
            CREDENTIALS[scope] = canaries.never(f"credential for {scope}", kept.add(f"cross-{scope}", (scope,)))
        CREDENTIALS[OPERATOR] = new_operator(sqlite_service, "owner")[1]
        yield
        for scope in get_args(ServiceScope):
            kept.remove(f"cross-{scope}")


KINDS: dict[str, Maker] = {
    "native access": _native_access,
    "bearer": signedin.bearer,
    "detail": _detail,
    "code_message_data": signedin.code_message_data,
    "code_msg_data": signedin.code_msg_data,
    "success_data": signedin.success_data,
    "native refresh": _native_refresh,
    "ticket": signedin.ticket,
    "sealed session_key": _sealed_for("session_key"),
    "sealed for no purpose": _sealed_for(""),
    "invite code": _invite_code,
    "login code": lambda _, simulator, user: simulator.code(user),
    **{f"{scope} credential": lambda *_, scope=scope: CREDENTIALS[scope] for scope in get_args(ServiceScope)},
    OPERATOR: lambda *_: CREDENTIALS[OPERATOR],
    "Idempotency-Key": lambda _, __, user: f"idempotency-{user}",
}
ACCESS = {"native access", "bearer", "detail", "code_message_data", "code_msg_data", "success_data"}


# --- where it goes ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Place:
    """A place for a token: who is let in there, with which answer, and with which ones others are refused."""

    send: Sender
    accepts: set[str]
    answer: int = 200
    refusals: frozenset[int] = frozenset({401})


def _guarded(method: str, path: str, answer: int = 200, **options: object) -> Place:
    def send(service: Service, token: str, simulator: Simulator, user: str) -> requests.Response:
        return service.call(method, path, token=token, **options)

    return Place(send, ACCESS, answer)


def _for_services(method: str, path: str, scope: ServiceScope, **options: object) -> Place:
    return replace(_guarded(method, path, **options), accepts={f"{scope} credential"}, refusals=frozenset({401, 403}))


def _for_operators(method: str, path: str, answer: int = 200, **options: object) -> Place:
    return replace(_guarded(method, f"/operator/v1{path}", answer, **options), accepts={OPERATOR})


def _in_body(path: str, name: str, accepts: set[str], answer: int, refusals: set[int], **more: object) -> Place:
    def send(service: Service, token: str, simulator: Simulator, user: str) -> requests.Response:
        body = {name: token, **{key: value() if callable(value) else value for key, value in more.items()}}
        return service.call("POST", path, json=body)

    return Place(send, accepts, answer, frozenset(refusals))


def _renew(service: Service, token: str, simulator: Simulator, user: str) -> requests.Response:
    return service.call("POST", signedin.RENEW, token=token)


def _link(service: Service, token: str, simulator: Simulator, user: str) -> requests.Response:
    body = {"code": simulator.code(user), "appid": APPID}
    return service.call("POST", "/api/v1/me/identities", token=token, json=body)


def _upload(service: Service, token: str, simulator: Simulator, user: str) -> requests.Response:
    return service.call("POST", "/api/v1/me/avatar", token=token, files={"file": ("a.png", PICTURE, "image/png")})


def _bind(service: Service, token: str, simulator: Simulator, user: str) -> requests.Response:
    simulator.code(user)  # whoever has never called wx.login has no key to encrypt with
    return service.call("POST", "/api/v1/me/phone", token=token, json=signedin.tapped(simulator, user))


def _some_phone() -> str:
    return f"136{random.randrange(10**8):08d}"


def _picture() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (8, 8), "green").save(file, "PNG")
    return file.getvalue()


PICTURE = _picture()
NOBODY = "/people/999999999"
PLACES: dict[str, Place] = {
    "GET /api/v1/sessions": _guarded("GET", "/api/v1/sessions"),
    "DELETE /api/v1/sessions/{session_id}": _guarded("DELETE", "/api/v1/sessions/nobodys", 404),
    "POST /api/v1/sessions/logout": _guarded("POST", "/api/v1/sessions/logout"),
    "GET /api/v1/me": _guarded("GET", "/api/v1/me"),
    "PUT /api/v1/me": _guarded("PUT", "/api/v1/me", json={"gender": 1}),
    "POST /api/v1/me/avatar": Place(_upload, ACCESS),
    "POST /api/v1/me/phone": Place(_bind, ACCESS),
    "DELETE /api/v1/me/phone": _guarded("DELETE", "/api/v1/me/phone", 404),
    "GET /api/v1/me/identities": _guarded("GET", "/api/v1/me/identities"),
    "POST /api/v1/me/identities": Place(_link, ACCESS),
    "DELETE /api/v1/me/identities/{link_id}": _guarded("DELETE", "/api/v1/me/identities/999999999", 404),
    "GET /api/v1/me/consents": _guarded("GET", "/api/v1/me/consents"),
    "POST /api/v1/me/consents": _guarded("POST", "/api/v1/me/consents", json={"version": "2026-11"}),
    "GET /api/v1/me/export": _guarded("GET", "/api/v1/me/export"),
    "GET /api/v1/me/activity": _guarded("GET", "/api/v1/me/activity"),
    "POST /api/v1/me/close": _guarded("POST", "/api/v1/me/close"),
    "GET /api/v1/me/invite": _guarded("GET", "/api/v1/me/invite"),
    "GET /api/v1/me/invite/arrivals": _guarded("GET", "/api/v1/me/invite/arrivals"),
    # Let in, but there is no such code.
    **{
        f"POST {ROUTE}/{step}": _guarded("POST", f"{ROUTE}/{step}", 400, json={"ticket": "A" * 22})
        for step in ("scan", "approve", "refuse")
    },
    "GET /api/v1/user/profile": _guarded("GET", "/api/v1/user/profile"),
    "POST /api/v1/auth/logout": _guarded("POST", "/api/v1/auth/logout"),
    "GET /member/refreshToken": _guarded("GET", "/member/refreshToken"),
    "GET /auth/verify": _guarded("GET", "/auth/verify", 204),
    "GET /auth/verify/{original}": _guarded("GET", "/auth/verify/orders"),
    "GET /api/v1/me/invite/qrcode": _guarded("GET", "/api/v1/me/invite/qrcode"),
    "POST /api/v1/me/invite/qrcode": _guarded("POST", "/api/v1/me/invite/qrcode", json={}),
    "GET /generate_qrcode": _guarded("GET", "/generate_qrcode"),
    # For other services of the company.
    "GET /metrics": _for_services("GET", "/metrics", "metrics"),
    "POST /internal/v1/qrcodes": _for_services("POST", "/internal/v1/qrcodes", "qrcode", json={"scene": "cross"}),
    # Past the door, an empty body.
    **{
        f"POST {SESSION_KEY}/{act}": replace(_for_services("POST", f"{SESSION_KEY}/{act}", scope, json={}), answer=400)
        for act, scope in SESSION_KEY_SCOPES.items()
    },
    "POST /internal/v1/directory/people": _for_services(
        "POST", "/internal/v1/directory/people", "directory_read", json={"subs": ["1"]}
    ),
    # Nobody has that id.
    "PUT /internal/v1/directory/people/{user_id}/roles": replace(
        _for_services("PUT", "/internal/v1/directory/people/999999999/roles", "directory_roles", json={"roles": []}),
        answer=404,
    ),
    # Nothing is written down: let in, and told so.
    "GET /internal/v1/directory/changes": replace(
        _for_services("GET", "/internal/v1/directory/changes", "directory_read"), answer=404
    ),
    "POST /oauth/introspect": _for_services("POST", "/oauth/introspect", "introspect", data={"token": "garbage"}),
    "GET /oauth/revocations": _for_services("GET", "/oauth/revocations", "introspect"),
    "POST /oauth/revoke": _for_services("POST", "/oauth/revoke", "revoke", data={"token": "garbage"}),
    "GET /internal/v1/access_token": _for_services("GET", "/internal/v1/access_token", "access_token"),
    "POST /internal/v1/access_token/rejected": _for_services(
        "POST", "/internal/v1/access_token/rejected", "access_token", json={"access_token": "70_unknown"}
    ),
    # For operators; nobody has that id.
    "POST /operator/v1/people/search": _for_operators("POST", "/people/search", json={"q": "1"}),
    "GET /operator/v1/people/{user_id}": _for_operators("GET", NOBODY, 404),
    "GET /operator/v1/people/{user_id}/sessions": _for_operators("GET", f"{NOBODY}/sessions", 404),
    "GET /operator/v1/people/{user_id}/events": _for_operators("GET", f"{NOBODY}/events"),
    "DELETE /operator/v1/people/{user_id}/sessions": _for_operators("DELETE", f"{NOBODY}/sessions", 404),
    "DELETE /operator/v1/people/{user_id}/sessions/{session_id}": _for_operators(
        "DELETE", f"{NOBODY}/sessions/{'A' * 22}", 404
    ),
    "POST /operator/v1/people/{user_id}/disable": _for_operators("POST", f"{NOBODY}/disable", 404),
    # Nobody is not disabled.
    "POST /operator/v1/people/{user_id}/enable": _for_operators("POST", f"{NOBODY}/enable", 409),
    "POST /operator/v1/people/{user_id}/erase": _for_operators("POST", f"{NOBODY}/erase", 404),
    "POST /operator/v1/people/{user_id}/merge": _for_operators(
        "POST", f"{NOBODY}/merge", 404, json={"into": "1", "reason": "x"}
    ),
    "POST /operator/v1/people/{user_id}/unmerge": _for_operators(
        "POST", f"{NOBODY}/unmerge", 404, json={"reason": "x"}
    ),
    "GET /operator/v1/people/{user_id}/merge": _for_operators("GET", f"{NOBODY}/merge?into=1", 404),
    **{
        f"GET /operator/v1/{reading}": _for_operators("GET", f"/{reading}")
        for reading in (
            *("campaigns", "invites", "readings", "wechat-errors", "health", "programs", "services", "keys"),
            *("webhooks", "webhooks/dead"),
        )
    },
    # Where a token is not a pass but a ticket.
    "POST /api/v1/auth/refresh": Place(_renew, {"code_message_data"}),
    "POST /api/v1/sessions/refresh": _in_body(signedin.REFRESH, "refresh_token", {"native refresh"}, 200, {400, 401}),
    "POST /wx/login": _in_body("/wx/login", "openid", {"ticket"}, 201, {400}, phone=_some_phone, sex=1),
    "POST /api/v1/auth/login": _in_body("/api/v1/auth/login", "code", {"login code"}, 200, {400, 401}),
}
OWN_ANSWERS = {
    # One-tap logins bind a number that is then there to be removed.
    ("DELETE /api/v1/me/phone", "bearer"): 200,
    ("DELETE /api/v1/me/phone", "success_data"): 200,
}


@pytest.mark.parametrize("name", PLACES)
def test_a_place_takes_the_tokens_that_are_for_it_and_no_other(
    name: str, simulator: Simulator, service: Service
) -> None:
    place = PLACES[name]
    answers, expected = {}, {}
    for kind, make in KINDS.items():
        user = f"cross-{random.randrange(10**12)}"
        answers[kind] = place.send(service, make(service, simulator, user), simulator, user)
        right = {OWN_ANSWERS.get((name, kind), place.answer)} if kind in place.accepts else place.refusals
        expected[kind] = answers[kind].status_code if answers[kind].status_code in right else sorted(right)
    assert {kind: answer.status_code for kind, answer in answers.items()} == expected


def test_every_place_for_a_token_is_in_the_table(service: Service) -> None:
    document = service.call("GET", "/openapi.json").json()
    guarded = {
        f"{method.upper()} {path}"
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        # One view stands for every method of a gateway's question. An empty way in is one for everybody.
        if {} not in operation["security"] and (method == "get" or not path.startswith("/auth/verify"))
    }
    assert guarded <= set(PLACES)
    assert set(PLACES) - guarded == {"POST /api/v1/sessions/refresh", "POST /wx/login", "POST /api/v1/auth/login"}


def test_only_tokens_of_people_are_told_to_be_active_and_revoking_anything_else_is_no_error(
    simulator: Simulator, service: Service
) -> None:
    made = {kind: make(service, simulator, f"cross-{random.randrange(10**12)}") for kind, make in KINDS.items()}

    def ask(path: str, scope: str, token: str) -> requests.Response:
        answer = service.call("POST", path, token=CREDENTIALS[scope], data={"token": token})
        assert answer.status_code == 200, answer.text
        return answer

    def active() -> set[str]:
        told = {kind: ask("/oauth/introspect", "introspect", token).json() for kind, token in made.items()}
        return {kind for kind, answer in told.items() if answer["active"]}

    assert active() == ACCESS | {"native refresh"}
    for kind in set(made) - ACCESS - {"native refresh"}:
        ask("/oauth/revoke", "revoke", made[kind])
    assert active() == ACCESS | {"native refresh"}
    for kind in ACCESS | {"native refresh"}:
        ask("/oauth/revoke", "revoke", made[kind])
    assert active() == set()


def test_a_ticket_is_for_one_registration(simulator: Simulator, service: Service) -> None:
    ticket = signedin.ticket(service, simulator, f"cross-{random.randrange(10**12)}")
    bodies = [{"openid": ticket, "phone": _some_phone(), "sex": 1} for _ in range(2)]
    answers = [service.call("POST", "/wx/login", json=body) for body in bodies]
    assert [answer.status_code for answer in answers] == [201, 400]
    assert answers[1].json() == {"non_field_errors": ["该微信已绑定用户"]}
