"""A token is not the person: what a thief can do with one alone, with somebody's code beside it, and what not."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
import requests

from tests.harness import scanning, signedin
from tests.harness.crowd import Request
from tests.harness.races import Race
from tests.harness.service import Service
from tests.harness.signedin import Person
from tests.harness.simulator import Simulator

EXCHANGE = "/sns/jscode2session"
HEADER = "Step-Up-Code"
# As every answer of the native API to a refusal is read.
Refusal = tuple[int, str]


@dataclass(frozen=True)
class Victim:
    """Somebody with two identities, two sessions, a phone, and a browser that waits for them to agree."""

    service: Service
    simulator: Simulator
    name: str
    token: str
    other: Person
    second_link: int
    ticket: str
    made: dict[str, str] = field(default_factory=dict)

    def send(self, ask: str, **options: Any) -> requests.Response:
        method, path, rest = ASKS[ask](self)
        return self.service.call(method, path, **{"token": self.token, "step_up": False, **rest, **options})

    def state(self) -> list[list[tuple]]:
        """Everything that an attack would change."""
        mine = f"user_id = {signedin.claims(self.token)['sub']}"
        return [
            self.service.rows(f"SELECT {columns} FROM {table} WHERE {mine.replace('user_id', key)} ORDER BY 1")
            for table, columns, key in (
                ("users", "id, status, phone, token_version", "id"),
                ("identities", "id, openid, session_key", "user_id"),
                ("sessions", "id, revoked_at", "user_id"),
                ("audit_events", "id, event", "user_id"),
            )
        ] + [self.service.rows("SELECT id, state FROM scan_sign_ins WHERE state = 'approved' ORDER BY 1")]


def _link(victim: Victim) -> tuple[str, str, dict[str, Any]]:
    body = {"code": victim.simulator.code(f"{victim.name}-thief"), "appid": victim.simulator.appid}
    return "POST", "/api/v1/me/identities", {"json": body}


def _bind(victim: Victim) -> tuple[str, str, dict[str, Any]]:
    return "POST", "/api/v1/me/phone", {"json": signedin.tapped(victim.simulator, victim.name)}


def _approve(victim: Victim) -> tuple[str, str, dict[str, Any]]:
    return "POST", f"{scanning.ROUTE}/approve", {"json": {"ticket": victim.ticket}}


ASKS: dict[str, Callable[[Victim], tuple[str, str, dict[str, Any]]]] = {
    "approve a scan": _approve,
    "link": _link,
    "unlink": lambda v: ("DELETE", f"/api/v1/me/identities/{v.second_link}", {}),
    "export": lambda _: ("GET", "/api/v1/me/export", {}),
    "bind a phone": _bind,
    "remove the phone": lambda _: ("DELETE", "/api/v1/me/phone", {}),
    "end another session": lambda v: ("DELETE", f"/api/v1/sessions/{v.other.sid}", {}),
    "end the others": lambda _: ("POST", signedin.LOGOUT, {"params": {"scope": "others"}}),
    "end all": lambda _: ("POST", signedin.LOGOUT, {"params": {"scope": "global"}}),
    "close": lambda _: ("POST", "/api/v1/me/close", {}),
}


@pytest.fixture
def make_victim(simulator: Simulator, service: Service) -> Callable[[str], Victim]:
    def make(name: str) -> Victim:
        token = signedin.bearer(service, simulator, name)  # which binds a phone
        other = signedin.native(service, simulator, name)
        body = {"code": simulator.code(f"{name}-second"), "appid": simulator.appid}
        links = service.call("POST", "/api/v1/me/identities", token=token, json=body).json()["data"]
        browser = scanning.start(service)
        assert scanning.phone(service, "scan", browser.ticket, token).status_code == 200
        return Victim(service, simulator, name, token, other, links[1]["id"], browser.ticket)

    return make


def refusal(answer: requests.Response) -> Refusal:
    return answer.status_code, answer.json().get("error", "")


def exchanges(simulator: Simulator) -> int:
    return len(simulator.journal(path=EXCHANGE))


def header(code: str) -> dict[str, Any]:
    return {"headers": {HEADER: code}}


def test_with_a_token_alone_nothing_on_the_list_happens(make_victim: Callable[[str], Victim]) -> None:
    victim = make_victim("step-up-alone")
    before, asked = victim.state(), exchanges(victim.simulator)
    answers = {ask: refusal(victim.send(ask)) for ask in ASKS}
    assert answers == dict.fromkeys(ASKS, (403, "step_up_required"))
    assert victim.send("close").json()["action"] == "relogin"
    assert (victim.state(), exchanges(victim.simulator)) == (before, asked)


def test_with_another_persons_fresh_code_nothing_happens(make_victim: Callable[[str], Victim]) -> None:
    victim = make_victim("step-up-others")
    thief = signedin.native(victim.service, victim.simulator, "step-up-pickpocket")
    before = victim.state()
    codes = iter(victim.simulator.codes("step-up-pickpocket", len(ASKS)))
    answers = {ask: refusal(victim.send(ask, **header(next(codes)))) for ask in ASKS}
    assert answers == dict.fromkeys(ASKS, (403, "step_up_mismatch"))
    # Nor with a code of another WeChat of the same person: the session did not begin with that one.
    assert refusal(victim.send("close", **header(victim.simulator.code("step-up-others-second")))) == (
        403,
        "step_up_mismatch",
    )
    assert victim.state() == before
    assert thief.call("GET", "/api/v1/me").status_code == 200


def test_with_the_persons_own_fresh_code_everything_on_the_list_happens(make_victim: Callable[[str], Victim]) -> None:
    victim = make_victim("step-up-own")
    answers = {}
    for ask in ASKS:
        if ask == "close":  # after "end all" they sign in again
            victim = Victim(**{**vars(victim), "token": signedin.bearer(victim.service, victim.simulator, victim.name)})
        answers[ask] = victim.send(ask, **header(victim.simulator.code(victim.name))).status_code
    assert answers == dict.fromkeys(ASKS, 200)


def test_a_code_that_does_not_hold_is_refused_as_at_a_login(make_victim: Callable[[str], Victim]) -> None:
    victim = make_victim("step-up-codes")
    used = victim.simulator.code(victim.name)
    assert victim.send("export", **header(used)).status_code == 200
    before = victim.state()
    assert refusal(victim.send("close", **header(used))) == (401, "wx_code_used")
    assert refusal(victim.send("close", **header("0" * 32))) == (401, "wx_code_invalid")
    phone_code = victim.simulator.phone_code(victim.name)
    assert refusal(victim.send("close", **header(phone_code))) == (401, "wx_code_is_phone_code")
    assert victim.state() == before


@pytest.mark.parametrize("value", ["", "x" * 129, "a b", "a,b", "ö", "a;b", "../x"])
def test_a_header_that_is_no_code_is_named_and_not_sent_to_wechat(
    value: str, make_victim: Callable[[str], Victim]
) -> None:
    victim = make_victim("step-up-header")
    asked = exchanges(victim.simulator)
    answer = victim.send("close", headers={HEADER: value.encode()})
    assert (refusal(answer), list(answer.json()["fields"])) == ((400, "invalid_request"), [HEADER])
    assert exchanges(victim.simulator) == asked


def test_what_else_is_wrong_costs_no_code(make_victim: Callable[[str], Victim]) -> None:
    victim = make_victim("step-up-order")
    code, asked = victim.simulator.code(victim.name), exchanges(victim.simulator)
    call, own = victim.service.call, header(code)
    assert call("POST", "/api/v1/me/close", token="forged.forged.forged", **own).status_code == 401
    assert call("POST", "/api/v1/me/identities", token=victim.token, json={"code": 1}, **own).status_code == 400
    assert call("POST", "/api/v1/me/phone", token=victim.token, json={}, **own).status_code == 400
    assert call("POST", signedin.LOGOUT, token=victim.token, params={"scope": "x"}, **own).status_code == 400
    for method in ("HEAD", "PUT", "OPTIONS"):
        assert call(method, "/api/v1/me/export", token=victim.token, **own).status_code in (200, 405)
    assert call("HEAD", "/api/v1/me/export", token=victim.token, **own).status_code == 405
    assert exchanges(victim.simulator) == asked
    assert call("GET", "/api/v1/me/export", token=victim.token, **own).status_code == 200


def test_leaving_by_oneself_takes_no_code(make_victim: Callable[[str], Victim]) -> None:
    victim = make_victim("step-up-leaving")
    call, asked = victim.service.call, exchanges(victim.simulator)
    own = call("DELETE", f"/api/v1/sessions/{victim.other.sid}", token=victim.other.access, step_up=False)
    assert own.status_code == 200
    assert call("POST", signedin.LOGOUT, token=victim.token, step_up=False).status_code == 200
    assert exchanges(victim.simulator) == asked


def test_what_the_same_tap_encrypted_opens_also_when_the_code_came_with_a_new_key(
    simulator: Simulator, service: Service
) -> None:
    person = signedin.native(service, simulator, "step-up-tap")
    before = signedin.tapped(simulator, "step-up-tap")
    code = simulator.code("step-up-tap", rotate=True)
    after = signedin.tapped(simulator, "step-up-tap")
    for sealed, fresh in ((after, code), (before, simulator.code("step-up-tap"))):
        bound = person.call("POST", "/api/v1/me/phone", json=sealed, **header(fresh))
        assert bound.status_code == 200, bound.text


def test_a_browser_that_was_signed_in_by_a_scan_is_sent_to_the_phone(simulator: Simulator, service: Service) -> None:
    phone = signedin.native(service, simulator, "step-up-scan")
    browser = scanning.start(service)
    for step in ("scan", "approve"):
        assert scanning.phone(service, step, browser.ticket, phone.access).status_code == 200
    tokens = scanning.poll(service, browser).json()["data"]["tokens"]
    answer = service.call("POST", "/api/v1/me/close", token=tokens["access_token"], step_up=False)
    assert (refusal(answer), "on your phone" in answer.text or "手机" in answer.text) == (
        (403, "step_up_required"),
        True,
    )
    assert service.call("POST", signedin.LOGOUT, token=tokens["access_token"], step_up=False).status_code == 200


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ({"kind": "errcode", "errcode": 40163}, (401, "wx_code_used")),
        ({"kind": "errcode", "errcode": -1}, (503, "wechat_busy")),
        ({"kind": "reset"}, (503, "wechat_no_answer")),
    ],
)
def test_while_wechat_does_not_vouch_nothing_happens(
    fault: dict[str, Any], expected: Refusal, make_victim: Callable[[str], Victim]
) -> None:
    victim = make_victim("step-up-outage")
    before, code = victim.state(), victim.simulator.code(victim.name)
    victim.simulator.fault(fault, code=code, times=None)
    assert refusal(victim.send("close", **header(code))) == expected
    assert victim.state() == before


RACES, CALLERS = 3, 8


def _play(race: Race) -> list[int]:
    """How many of CALLERS that come at once with one code get through, for RACES codes."""
    service, name = race.service, f"step-up-race-{race.seed}"
    token = signedin.native(service, race.simulator, name).access
    passed = []
    for code in race.simulator.codes(name, RACES):
        sent = {"Authorization": f"Bearer {token}", HEADER: code}
        ask = Request("POST", f"{service.url}{signedin.LOGOUT}?scope=others", None, sent)
        answers = race.send([ask] * CALLERS)
        passed.append(sum(answer.status == 200 for answer in answers))
        assert {answer.json()["error"] for answer in answers if answer.status != 200} <= {"wx_code_used"}
    return passed


def test_of_many_requests_with_one_code_one_passes(each_service: Service, race_on: Callable[[Service], Race]) -> None:
    race = race_on(each_service)
    passed = _play(race)
    race.note("step-up", f"{RACES} codes, {CALLERS} requests at once with each: {passed} passed")
    assert passed == [1] * RACES


def test_the_check_finds_a_service_that_remembers_codes(
    start_briefly: Callable[..., Service], race_on: Callable[[Service], Race]
) -> None:
    twin = start_briefly("step-up-twin", workers=1, module="tests.twins.remembers_codes:app")
    assert max(_play(race_on(twin))) > 1


def test_wrong_codes_count_against_the_user_before_wechat_is_asked(simulator: Simulator, service: Service) -> None:
    person = signedin.native(service, simulator, "step-up-garbage")
    asked = exchanges(simulator)
    answers = [person.call("POST", "/api/v1/me/close", **header(f"{number:032}")).status_code for number in range(40)]
    # RATE_LIMIT_LOGIN: 30 in a minute for a user.
    assert answers == [401] * 30 + [429] * 10
    assert exchanges(simulator) - asked == 30


# --- the contracts of existing front ends: their tokens live for 7 and 30 days --------------------------------------

CONTRACTS = {
    "bearer": signedin.bearer,
    "code_message_data": signedin.code_message_data,
    "code_msg_data": signedin.code_msg_data,
    "success_data": signedin.success_data,
}


@pytest.mark.parametrize("contract", CONTRACTS)
def test_a_contracts_token_does_no_more_than_its_contract_says(
    contract: str, make_victim: Callable[[str], Victim]
) -> None:
    victim = make_victim(f"step-up-{contract}")
    stolen = CONTRACTS[contract](victim.service, victim.simulator, victim.name)
    victim = Victim(**{**vars(victim), "token": stolen})
    before = victim.state()
    assert {refusal(victim.send(ask)) for ask in ASKS} == {(403, "step_up_required")}
    contract_routes = _guarded_of_contracts(victim.service)
    assert set(contract_routes) == {
        "GET /generate_qrcode",
        "GET /api/v1/user/profile",
        "GET /member/refreshToken",
        "POST /api/v1/auth/refresh",
        "POST /api/v1/auth/logout",
    }
    renewed = victim.service.call("POST", "/api/v1/auth/refresh", token=stolen)
    for route in sorted(set(contract_routes) - {"POST /api/v1/auth/refresh", "POST /api/v1/auth/logout"}):
        method, _, path = route.partition(" ")
        # What would name more than itself in a body or query is not read.
        more = {"scope": "global", "all": "1", "phone": "13800138000"}
        victim.service.call(method, path, token=stolen, params=more)
    assert victim.state() == before
    assert renewed.status_code == (200 if contract == "code_message_data" else 401)

    live = {row for row in victim.state()[2] if row[1] is None}
    sid = signedin.claims(stolen)["sid"]
    assert victim.service.call("POST", "/api/v1/auth/logout?scope=global", token=stolen).status_code == 200
    assert live - {row for row in victim.state()[2] if row[1] is None} == {(sid, None)}
    assert victim.state()[:2] == before[:2]


def _guarded_of_contracts(service: Service) -> list[str]:
    document = service.call("GET", "/openapi.json").json()
    return [
        f"{method.upper()} {path}"
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if operation.get("security") == [{"bearer": []}] and set(operation["tags"]) & set(_CONTRACT_NAMES)
    ]


_CONTRACT_NAMES = ("bearer", "detail", "code_message_data", "code_msg_data", "success_data")

# --- the table of routes --------------------------------------------------------------------------------------------

# Every other route that changes something of a person, and why a token is enough. One that is not here fails the test.
TOKEN_IS_ENOUGH = {
    "PUT /api/v1/me": "name and picture: seen at once, changed back at once, open no door",
    "POST /api/v1/me/avatar": "the same",
    "POST /api/v1/me/consents": "adds a line to what one has agreed to, and takes nothing away",
    "POST /api/v1/me/invite/qrcode": "a picture of the person's own invite",
    "POST /api/v1/scan-sign-ins/scan": "shows the browser that asks; agreeing is another call",
    "POST /api/v1/scan-sign-ins/refuse": "lets nobody in",
    "POST /api/v1/auth/logout": "ends the session of this token and no other; contracts.md fixes what is sent",
    "POST /api/v1/auth/refresh": "wants the latest token of its session; contracts.md fixes what is sent",
}
# Services with a credential, and gateways, who ask and change nothing.
NOBODYS = "/internal/|/auth/"
STEP_UP = {
    "POST /api/v1/scan-sign-ins/approve": True,
    "POST /api/v1/me/identities": True,
    "DELETE /api/v1/me/identities/{link_id}": True,
    "POST /api/v1/me/phone": True,
    "DELETE /api/v1/me/phone": True,
    "POST /api/v1/me/close": True,
    "GET /api/v1/me/export": True,
    "POST /api/v1/sessions/logout": False,  # where it ends more than itself
    "DELETE /api/v1/sessions/{session_id}": False,
}


def test_every_route_that_changes_something_of_a_person_states_step_up_or_says_why_not(service: Service) -> None:
    stated, without = {}, set()
    for path, methods in service.call("GET", "/openapi.json").json()["paths"].items():
        for method, operation in methods.items():
            route = f"{method.upper()} {path}"
            step_up = [given for given in operation["parameters"] if given.get("name") == HEADER]
            if step_up:
                stated[route] = step_up[0]["required"]
            elif operation.get("security") == [{"bearer": []}] and method != "get" and not re.match(NOBODYS, path):
                without.add(route)
    assert stated == STEP_UP
    assert without == set(TOKEN_IS_ENOUGH)
