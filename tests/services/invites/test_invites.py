"""Invites as front ends meet them: in every contract's login, under each REGISTRATION, and in routes of their own."""

import itertools
import random
import secrets
from collections.abc import Callable
from typing import Any

import pytest
import requests

from tests.harness import signedin
from tests.harness.service import Service
from tests.harness.signedin import Person
from tests.harness.simulator import Simulator

_names = (f"guest-{number}" for number in itertools.count())
_POOL = ("FLYER-1", "FLYER-2", "FLYER-3", "FLYER-4", "FLYER-5", "FLYER-6", "FLYER-7", "FLYER-8", "FLYER-9")


def _start(start: Callable[..., Service], registration: str) -> Service:
    settings = {"REGISTRATION": registration, "RATE_LIMIT_INVITE": "address 20/minute", "TRUSTED_PROXIES": "1"}
    service = start(f"invites-{registration}", workers=1, settings=settings)
    codes = [f"('{code}', 9, 0, NULL, NULL, 1)" for code in _POOL]
    codes += ["('EXPIRED', 9, 0, 2, NULL, 1)", "('USED-UP', 1, 1, NULL, NULL, 1)", "('DISABLED', 9, 0, NULL, 2, 1)"]
    columns = "code, max_uses, uses, expires_at, disabled_at, created_at"
    change(service, f"INSERT INTO invite_codes ({columns}) VALUES {', '.join(codes)}")
    return service


def change(service: Service, sql: str) -> None:
    connection = service.connect()
    connection.cursor().execute(sql)
    connection.close()


@pytest.fixture(scope="module")
def service(start_service: Callable[..., Service]) -> Service:
    return _start(start_service, "open")


@pytest.fixture(scope="module")
def invite_only(start_service: Callable[..., Service]) -> Service:
    return _start(start_service, "invite_only")


@pytest.fixture(scope="module")
def closed(start_service: Callable[..., Service]) -> Service:
    return _start(start_service, "closed")


# --- how each contract sends an invite, and where its answer speaks of it -------------------------------------------


def native(service: Service, simulator: Simulator, user: str, **invite: Any) -> requests.Response:
    return service.login(simulator.code(user), json=invite)


def bearer(service: Service, simulator: Simulator, user: str, **invite: Any) -> requests.Response:
    body = {"code": simulator.code(user), **signedin.tapped(simulator, user), **invite}
    return service.call("POST", "/auth/mp_login", json=body)


def detail(service: Service, simulator: Simulator, user: str, **invite: Any) -> requests.Response:
    """The invite comes with the second step, and with the first one of somebody who is known."""
    first = service.call("GET", "/wx/login", params={"code": simulator.code(user), **invite})
    return first if "openid" not in first.json() else register(service, first.json()["openid"], **invite)


def register(service: Service, ticket: str, **invite: Any) -> requests.Response:
    phone = f"139{random.SystemRandom().randrange(10**8):08d}"
    return service.call("POST", "/wx/login", json={"openid": ticket, "phone": phone, "sex": 0, **invite})


def code_message_data(service: Service, simulator: Simulator, user: str, **invite: Any) -> requests.Response:
    return service.call("POST", "/api/v1/auth/wx-login", json={"code": simulator.code(user), **invite})


def code_msg_data(service: Service, simulator: Simulator, user: str, **invite: Any) -> requests.Response:
    return service.call("POST", "/user/wxlogin", json={"platCode": simulator.code(user), **invite})


def success_data(service: Service, simulator: Simulator, user: str, **invite: Any) -> requests.Response:
    query = {"code": simulator.code(user), **signedin.tapped(simulator, user), **invite}
    return service.call("GET", "/login/wechatLogin", params=query)


CONTRACTS = {f.__name__: f for f in (native, bearer, detail, code_message_data, code_msg_data, success_data)}
each_contract = pytest.mark.parametrize("contract", CONTRACTS)


def said(answer: requests.Response) -> str | None:
    """What the answer says of the invite; None where it says nothing."""
    assert answer.status_code in (200, 201), answer.text
    body = answer.json()
    place = body if "token" in body or "access_token" in body else body["data"]
    return place["invite"]["status"] if "invite" in place else None


def uses(service: Service, code: str) -> int:
    """The counter, which equals the rows."""
    counter, rows = service.rows(
        "SELECT c.uses, COUNT(u.id) FROM invite_codes c LEFT JOIN invite_uses u ON u.invite_code_id = c.id"
        f" WHERE c.code = '{code}' GROUP BY c.id"
    )[0]
    assert counter == rows
    return int(counter)


def person(service: Service, simulator: Simulator) -> Person:
    return signedin.native(service, simulator, next(_names))


def own(somebody: Person) -> dict[str, Any]:
    data: dict[str, Any] = somebody.does("GET", "/api/v1/me/invite")
    return data


# --- open: an invite counts, and a bad one fails no login -----------------------------------------------------------


@each_contract
def test_an_invite_counts_once_and_the_answer_says_so(service: Service, simulator: Simulator, contract: str) -> None:
    host, guest, log_in = person(service, simulator), next(_names), CONTRACTS[contract]
    code = own(host)["invite_code"]
    assert said(log_in(service, simulator, guest, invite_code=code)) == "accepted"
    assert said(log_in(service, simulator, guest, invite_code=code)) == "already_invited"
    assert said(log_in(service, simulator, guest)) is None
    assert uses(service, code) == 1 and service.count("users", f"invited_by_id = {host.user_id}") == 1


@each_contract
@pytest.mark.parametrize("reason", ["expired", "used_up", "disabled", "unknown"])
def test_a_bad_invite_fails_no_login_and_is_told_why(
    service: Service, simulator: Simulator, contract: str, reason: str
) -> None:
    guest = next(_names)
    code = reason.upper().replace("_", "-")
    assert said(CONTRACTS[contract](service, simulator, guest, invite_code=code)) == reason


@pytest.mark.parametrize("text", ["flyer-1", "FLYER-1 ", "ＦLYER-1", "F" * 21, "F" * 9000, "\0", "😀"], ids=ascii)
def test_what_is_no_code_at_all_is_unknown_and_harmless(service: Service, simulator: Simulator, text: str) -> None:
    assert said(native(service, simulator, next(_names), invite_code=text)) == "unknown"


@pytest.mark.parametrize("nothing", ["", None], ids=repr)
def test_an_empty_invite_is_none(service: Service, simulator: Simulator, nothing: str | None) -> None:
    assert said(native(service, simulator, next(_names), invite_code=nothing)) is None


def test_an_invite_that_is_not_text_is_a_fault_of_the_client(service: Service, simulator: Simulator) -> None:
    answer = native(service, simulator, next(_names), invite_code=["FLYER-1"])
    assert (answer.status_code, answer.json()["fields"].keys()) == (400, {"invite_code"})


def test_ones_own_code_and_a_loop_are_told(service: Service, simulator: Simulator) -> None:
    names = [next(_names), next(_names)]
    host, guest = (signedin.native(service, simulator, name) for name in names)
    codes = own(host)["invite_code"], own(guest)["invite_code"]
    assert said(native(service, simulator, names[0], invite_code=codes[0])) == "own_code"
    assert said(native(service, simulator, names[1], invite_code=codes[0])) == "accepted"
    assert said(native(service, simulator, names[0], invite_code=codes[1])) == "loop"
    assert (uses(service, codes[0]), uses(service, codes[1])) == (1, 0)


def test_an_invite_that_came_with_the_first_step_of_a_registration_is_not_lost(
    service: Service, simulator: Simulator
) -> None:
    for second, counted in (({}, "FLYER-1"), ({"invite_code": "FLYER-3"}, "FLYER-3")):
        before = uses(service, counted)
        query = {"code": simulator.code(next(_names)), "invite_code": "FLYER-1"}
        ticket = service.call("GET", "/wx/login", params=query).json()["openid"]
        assert said(register(service, ticket, **second)) == "accepted"
        assert uses(service, counted) == before + 1


def test_a_refused_login_uses_nothing_up(service: Service, simulator: Simulator) -> None:
    guest = next(_names)
    forged = {"rawData": "{}", "signature": "0" * 40}
    assert native(service, simulator, guest, invite_code="FLYER-2", **forged).json()["error"] == "data_rejected"
    known = signedin.native(service, simulator, guest)
    change(service, f"UPDATE users SET status = 'disabled' WHERE id = {known.user_id}")
    assert native(service, simulator, guest, invite_code="FLYER-2").status_code == 403
    assert uses(service, "FLYER-2") == 0


def test_a_login_asked_for_twice_is_told_the_same(service: Service, simulator: Simulator) -> None:
    for code, status in (("FLYER-4", "accepted"), ("USED-UP", "used_up")):
        asked = {"code": simulator.code(next(_names)), "invite_code": code}
        headers = {"Idempotency-Key": secrets.token_urlsafe(16)}
        answers = [service.call("POST", "/api/v1/auth/login", json=asked, headers=headers) for _ in range(3)]
        assert [said(answer) for answer in answers] == [status] * 3
    assert uses(service, "FLYER-4") == 1


# --- invite_only and closed ---------------------------------------------------------------------------------------


SENTENCES = {
    None: ("invite_required", "注册需要邀请码"),
    "UNKNOWN": ("invite_unknown", "邀请码不存在，请检查后重试"),
    "EXPIRED": ("invite_expired", "邀请码已过期"),
    "USED-UP": ("invite_used_up", "邀请码已达使用上限"),
    "DISABLED": ("invite_disabled", "邀请码已停用"),
}


def assert_refused(contract: str, answer: requests.Response, error: str, sentence: str) -> None:
    """The refusal in the contract's whole shape."""
    body = answer.json()
    status = 400 if contract == "detail" and error != "registration_closed" else 403
    assert answer.status_code == status, answer.text
    for varying in ("timestamp", "request_id"):
        body.pop(varying, None)
    action = "contact" if error == "registration_closed" else "fix_request"
    assert (
        body
        == {
            "native": {"code": 403, "msg": sentence, "data": None, "error": error, "action": action},
            "bearer": {"detail": sentence},
            "detail": {"detail": sentence} if status == 403 else {"non_field_errors": [sentence]},
            "code_message_data": {"code": 403, "message": sentence, "error": "Forbidden"},
            "code_msg_data": {"code": 403, "msg": sentence, "data": None},
            "success_data": {"success": False, "data": None, "msg": sentence},
        }[contract]
    )


@each_contract
def test_invite_only_lets_in_by_a_good_code_and_says_what_is_wrong_with_others(
    invite_only: Service, simulator: Simulator, contract: str
) -> None:
    log_in, guest = CONTRACTS[contract], next(_names)
    before = {table: invite_only.count(table) for table in ("users", "identities", "invite_uses", "audit_events")}
    for code, (error, sentence) in SENTENCES.items():
        invite = {} if code is None else {"invite_code": code}
        assert_refused(contract, log_in(invite_only, simulator, guest, **invite), error, sentence)
    assert {table: invite_only.count(table) for table in before} == before
    good = _POOL[list(CONTRACTS).index(contract)]
    assert said(log_in(invite_only, simulator, guest, invite_code=good)) == "accepted"
    # Known from now on.
    assert said(log_in(invite_only, simulator, guest)) is None
    assert said(log_in(invite_only, simulator, guest, invite_code="USED-UP")) == "already_invited"
    assert uses(invite_only, good) == 1


def test_a_ticket_outlives_a_bad_invite(invite_only: Service, simulator: Simulator) -> None:
    ticket = signedin.ticket(invite_only, simulator, next(_names))
    for _ in range(2):
        assert register(invite_only, ticket, invite_code="EXPIRED").status_code == 400
    assert said(register(invite_only, ticket, invite_code="FLYER-7")) == "accepted"


def test_without_a_good_invite_nobody_learns_whose_a_number_is(invite_only: Service, simulator: Simulator) -> None:
    owner = next(_names)
    assert said(bearer(invite_only, simulator, owner, invite_code="FLYER-8")) == "accepted"
    number = simulator.call("GET", f"/control/users/{owner}")["phone"]
    body = {"openid": signedin.ticket(invite_only, simulator, next(_names)), "phone": number, "sex": 1}
    answer = invite_only.call("POST", "/wx/login", json=body)
    assert answer.json() == {"non_field_errors": ["注册需要邀请码"]}
    answer = invite_only.call("POST", "/wx/login", json={**body, "invite_code": "FLYER-9"})
    assert answer.json() == {"non_field_errors": ["手机号已存在"]} and uses(invite_only, "FLYER-9") == 0


@each_contract
def test_closed_lets_nobody_new_in(closed: Service, simulator: Simulator, contract: str) -> None:
    answer = CONTRACTS[contract](closed, simulator, next(_names), invite_code="FLYER-1")
    assert_refused(contract, answer, "registration_closed", "暂不开放注册")
    assert (closed.count("users"), uses(closed, "FLYER-1")) == (0, 0)


def test_english_is_spoken_where_it_is_preferred(invite_only: Service, simulator: Simulator) -> None:
    answer = invite_only.login(simulator.code(next(_names)), headers={"Accept-Language": "en"})
    assert answer.json()["msg"] == "An invite code is needed to register"


# --- routes of one's own --------------------------------------------------------------------------------------------


def test_a_person_sees_their_code_and_what_came_of_it(service: Service, simulator: Simulator) -> None:
    host, guest = person(service, simulator), next(_names)
    code = own(host)["invite_code"]
    limits = {"max_uses": None, "expires_at": None}
    fresh = {"invite_code": code, "uses": 0, "status": "valid", "invited_at": None, **limits}
    assert own(host) == fresh
    login = native(service, simulator, guest, invite_code=code).json()["data"]
    assert own(host) == {**fresh, "uses": 1}
    invited_at = own(Person(service, simulator, guest, login))["invited_at"]
    assert invited_at == login["user"]["created_at"]
    change(service, f"UPDATE invite_codes SET disabled_at = 1, max_uses = 1 WHERE code = '{code}'")
    assert own(host) == {**fresh, "uses": 1, "status": "disabled", "max_uses": 1}


def test_a_person_sees_that_people_came_and_not_who(service: Service, simulator: Simulator) -> None:
    host = person(service, simulator)
    code = own(host)["invite_code"]
    for _ in range(3):
        native(service, simulator, next(_names), invite_code=code)
    path = "/api/v1/me/invite/arrivals"
    data = host.call("GET", path).json()["data"]
    assert (data["count"], data["next"]) == (3, None)
    assert [set(arrival) for arrival in data["arrivals"]] == [{"number", "at"}] * 3
    assert [arrival["number"] for arrival in data["arrivals"]] == [3, 2, 1]
    rest = host.call("GET", path, params={"before": "2"}).json()["data"]
    assert (rest["count"], rest["arrivals"], rest["next"]) == (3, data["arrivals"][2:], None)
    for wrong in ("0", "-1", "1.5", "x", "1" * 16):
        answer = host.call("GET", path, params={"before": wrong})
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


def test_pages_lead_through_everybody_who_came(service: Service, simulator: Simulator) -> None:
    host = person(service, simulator)
    code = own(host)["invite_code"]
    came = ", ".join(f"((SELECT id FROM invite_codes WHERE code = '{code}'), {number})" for number in range(1, 122))
    change(service, f"INSERT INTO invite_uses (invite_code_id, used_at) VALUES {came}")
    change(service, f"UPDATE invite_codes SET uses = 121 WHERE code = '{code}'")
    seen, query = [], {}
    while True:
        page = host.call("GET", "/api/v1/me/invite/arrivals", params=query).json()["data"]
        seen += [(arrival["number"], arrival["at"]) for arrival in page["arrivals"]]
        if page["next"] is None:
            break
        query = {"before": page["next"]}
    assert seen == [(number, number) for number in range(121, 0, -1)] and page["count"] == 121


@pytest.mark.parametrize("path", ["/api/v1/me/invite", "/api/v1/me/invite/arrivals"])
def test_ones_own_routes_are_for_those_who_are_signed_in(service: Service, path: str) -> None:
    assert service.call("GET", path).status_code == 401
    assert service.call("GET", path, token="FLYER-1").status_code == 401


def test_anybody_may_check_a_code_but_not_without_end(closed: Service) -> None:
    def check(code: str) -> requests.Response:
        path, headers = "/api/v1/invites/check", {"X-Forwarded-For": "203.0.113.7"}
        return closed.call("GET", path, params={"invite_code": code}, headers=headers)

    codes = {"FLYER-1": "valid", "flyer-1": "unknown", "EXPIRED": "expired", "USED-UP": "used_up"}
    assert {code: check(code).json()["data"] for code in codes} == {code: {"status": s} for code, s in codes.items()}
    assert check("").json()["data"] == {"status": "unknown"}
    assert closed.call("GET", "/api/v1/invites/check").status_code == 400
    answers = [check("FLYER-1") for _ in range(30)]
    assert {answer.status_code for answer in answers} == {200, 429}
    assert (answers[-1].status_code, answers[-1].json()["error"]) == (429, "too_many_requests")
    assert closed.login("not-a-code-of-wechat").status_code == 401
