"""The operator API: who may do what, what each act does to the person, and whose name its event has."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from authsvc.values.invites import InviteBatch
from authsvc.values.operator import OperatorRole
from authsvc.web.routing import Operation, declared
from authsvc.web.who import Operator
from tests.harness import signedin
from tests.harness.inprocess import beside
from tests.harness.leaks import Canaries
from tests.harness.operators import new_operator
from tests.harness.service import ISSUER, Service
from tests.harness.signedin import Person
from tests.harness.simulator import Simulator

API = "/operator/v1"
ACTS = {
    # Looks, with what is looked for in the body.
    "POST /people/search": "read",
    "DELETE /people/{user_id}/sessions": "support",
    "DELETE /people/{user_id}/sessions/{session_id}": "support",
    "POST /people/{user_id}/disable": "support",
    "POST /people/{user_id}/enable": "support",
    "POST /people/{user_id}/erase": "owner",
    "POST /people/{user_id}/merge": "owner",
    "POST /people/{user_id}/unmerge": "owner",
}

BODIES = {"merge": {"into": "1", "reason": "ticket 4711"}, "unmerge": {"reason": "ticket 4711"}}


class Caller:
    """An operator's program."""

    def __init__(self, service: Service, role: OperatorRole) -> None:
        self.service = service
        self.name, self.credential = new_operator(service, role)

    def __call__(self, method: str, path: str, headers: dict[str, str] | None = None, **options: Any) -> Any:
        return self.service.call(method, API + path, token=self.credential, headers=headers or {}, **options)

    def data(self, method: str, path: str, **options: Any) -> Any:
        answer = self(method, path, **options)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]


@pytest.fixture
def reader(service: Service) -> Caller:
    return Caller(service, "read")


@pytest.fixture
def support(service: Service) -> Caller:
    return Caller(service, "support")


@pytest.fixture
def owner(service: Service) -> Caller:
    return Caller(service, "owner")


@pytest.fixture
def mei(service: Service, simulator: Simulator, request: pytest.FixtureRequest) -> Person:
    return signedin.native(service, simulator, f"operated-{request.node.name}")


@pytest.fixture(scope="module")
def routes(sqlite_service: Service) -> Iterator[list[tuple[str, str, Operation]]]:
    with beside(sqlite_service) as app:
        yield [route for route in declared(app) if route[1].startswith(API)]


def is_signed_in(who: Person) -> bool:
    return who.call("GET", "/api/v1/me").status_code == 200


def error(answer: requests.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]


# --- who may --------------------------------------------------------------------------------------------------------


def test_every_act_and_who_may_do_it_is_listed_here(routes: list[tuple[str, str, Operation]]) -> None:
    found = {
        f"{method} {path.removeprefix(API)}": operation.who for method, path, operation in routes if method != "GET"
    }
    assert found == {name: Operator(role) for name, role in ACTS.items()}  # type: ignore[arg-type]
    assert {operation.who for method, _, operation in routes if method == "GET"} == {Operator("read")}


def test_a_reader_tries_every_act_in_vain(reader: Caller, support: Caller, mei: Person, service: Service) -> None:
    session = service.rows(f"SELECT id FROM sessions WHERE user_id = {mei.user_id}")[0][0]
    for caller, roles in ((reader, ("support", "owner")), (support, ("owner",))):
        for name in (name for name, role in ACTS.items() if role in roles):
            method, path = name.split()
            filled = path.format(user_id=mei.user_id, session_id=session)
            answer = caller(method, filled, json=BODIES.get(path.rpartition("/")[2]))
            assert error(answer) == (403, "forbidden"), name
    assert is_signed_in(mei)
    assert service.count("audit_events", f"operator IN ('{reader.name}', '{support.name}')") == 0


def test_no_page_can_write_whatever_it_knows(owner: Caller, mei: Person) -> None:
    sent = (
        {"Origin": ISSUER},
        {"Origin": "https://evil.test"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    )
    for name in ACTS:
        method, path = name.split()
        filled = path.format(user_id=mei.user_id, session_id="A" * 22)
        for headers in sent:
            answer = owner(method, filled, headers, json=BODIES.get(path.rpartition("/")[2]))
            assert error(answer) == (403, "foreign_page"), (name, headers)
    assert is_signed_in(mei)
    assert owner("GET", f"/people/{mei.user_id}", {"Origin": "https://evil.test"}).status_code == 200


def test_a_credential_holds_until_it_is_replaced_or_removed(service: Service, owner: Caller) -> None:
    first = owner.credential
    with beside(service) as app:
        operators = app.extensions["authsvc"].operators
        owner.credential = service.canaries.never("credential of an operator", operators.rotate(owner.name))
        assert owner("GET", "/campaigns").status_code == 200
        assert error(service.call("GET", f"{API}/campaigns", token=first)) == (401, "unauthenticated")
        operators.set_role(owner.name, "read")
        assert error(owner("POST", "/people/1/erase")) == (403, "forbidden")
        operators.remove(owner.name)
    assert error(owner("GET", "/campaigns")) == (401, "unauthenticated")


# --- people ---------------------------------------------------------------------------------------------------------


def test_a_person_is_found_and_shown_as_far_as_the_operator_may_see(
    reader: Caller, support: Caller, mei: Person, service: Service, simulator: Simulator
) -> None:
    assert mei.call("POST", "/api/v1/me/phone", json=signedin.tapped(simulator, mei.name)).status_code == 200
    assert mei.call("PUT", "/api/v1/me", json={"nickname": "梅 operated"}).status_code == 200
    [(phone, openid)] = service.rows(
        f"SELECT u.phone, i.openid FROM users u JOIN identities i ON i.user_id = u.id WHERE u.id = {mei.user_id}"
    )
    for text in (str(mei.user_id), phone, f"+86 {phone}", phone[-4:], openid, "梅 oper"):
        found = support.data("POST", "/people/search", json={"q": text})["people"]
        assert str(mei.user_id) in [person["id"] for person in found], text
    assert support.data("POST", "/people/search", json={"q": "nobody has this"}) == {"people": []}
    whole, masked = (caller.data("GET", f"/people/{mei.user_id}") for caller in (support, reader))
    assert (whole["phone"], whole["identities"][0]["openid"]) == (f"+86{phone}", openid)
    assert whole["live_sessions"] == 1 and whole["status"] == "active" and whole["audit_events"] >= 1
    assert phone not in str(masked) and masked["phone"].endswith(phone[-4:])
    assert openid not in str(masked) and masked["identities"][0]["openid"].endswith(openid[-4:])
    listed = reader.data("POST", "/people/search", json={"q": phone})
    assert phone not in str(listed) and len(listed["people"]) == 1


def test_sessions_are_shown_and_ended_one_by_one_or_all(support: Caller, mei: Person, simulator: Simulator) -> None:
    others = [signedin.native(mei.service, simulator, mei.name) for _ in range(2)]
    sign_ins = support.data("GET", f"/people/{mei.user_id}/sessions")["sign_ins"]
    assert len(sign_ins) == 3 and all(sign_in["live"] and sign_in["ended_at"] is None for sign_in in sign_ins)
    one = sign_ins[0]["session_id"]
    assert support.data("DELETE", f"/people/{mei.user_id}/sessions/{one}") == {"ended": 1}
    assert [is_signed_in(who) for who in (mei, *others)].count(True) == 2
    assert error(support("DELETE", f"/people/{mei.user_id}/sessions/{one}")) == (404, "no_such_item")
    assert error(support("DELETE", f"/people/{int(mei.user_id) + 10**6}/sessions/{one}")) == (404, "no_such_user")
    assert support.data("DELETE", f"/people/{mei.user_id}/sessions") == {"ended": 2}
    assert not any(is_signed_in(who) for who in (mei, *others))
    ended = support.data("GET", f"/people/{mei.user_id}/sessions")["sign_ins"]
    assert [(sign_in["live"], sign_in["reason"]) for sign_in in ended] == [(False, "logout")] * 3
    assert signedin.native(mei.service, simulator, mei.name).user_id == mei.user_id


def test_a_person_is_disabled_and_enabled_with_the_operators_name(
    reader: Caller, support: Caller, mei: Person, simulator: Simulator
) -> None:
    path = f"/people/{mei.user_id}"
    assert support.data("POST", f"{path}/disable")["status"] == "disabled"
    assert mei.call("GET", "/api/v1/me").status_code in (401, 403)
    assert error(support("POST", f"{path}/disable")) == (409, "already_disabled")
    assert mei.service.login(simulator.code(mei.name)).json()["error"] == "account_disabled"
    assert support.data("POST", f"{path}/enable")["status"] == "active"
    assert error(support("POST", f"{path}/enable")) == (409, "not_disabled")
    again = support("POST", f"{path}/enable", {"Accept-Language": "en"})
    assert again.json()["msg"] == "This user is not disabled"
    events = reader.data("GET", f"{path}/events")["events"]
    assert [(event["event"], event["operator"]) for event in events][:2] == [
        ("enable", support.name),
        ("disable", support.name),
    ]
    assert signedin.native(mei.service, simulator, mei.name).user_id == mei.user_id
    # The person learns what happened, and not whose act it was.
    export = signedin.native(mei.service, simulator, mei.name).call("GET", "/api/v1/me/export")
    assert "by the operator" in export.text and support.name not in export.text


def test_a_person_is_erased_at_once(owner: Caller, mei: Person, simulator: Simulator) -> None:
    path = f"/people/{mei.user_id}"
    assert owner.data("POST", f"{path}/erase") is None
    assert error(owner("GET", path)) == (404, "no_such_user")
    assert error(owner("POST", f"{path}/erase")) == (404, "no_such_user")
    assert not is_signed_in(mei)
    last = owner.data("GET", f"{path}/events")["events"][0]
    assert (last["event"], last["operator"]) == ("erase", owner.name)
    assert int(signedin.native(mei.service, simulator, mei.name).user_id) > int(mei.user_id)


def test_a_person_is_merged_into_another(owner: Caller, mei: Person, simulator: Simulator) -> None:
    stays = signedin.native(mei.service, simulator, f"{mei.name}-stays")
    path, body = f"/people/{mei.user_id}/merge", {"into": str(stays.user_id), "reason": "ticket 4711"}
    assert error(owner("POST", path, json={**body, "into": str(mei.user_id)})) == (409, "same_user")
    assert error(owner("POST", path, json={**body, "into": "x"})) == (400, "invalid_request")
    found = owner.data("GET", f"{path}?into={stays.user_id}")
    assert (found["id"], found["into"]) == (str(mei.user_id), str(stays.user_id))
    assert (len(found["identities"]), found["phone"], found["live_sessions"]) == (1, "none", 1)
    assert error(owner("GET", f"{path}?into={mei.user_id}")) == (409, "same_user") and is_signed_in(mei)
    for reason in (None, "", " ", " x", "two\nlines", "x" * 151):
        assert error(owner("POST", path, json={**body, "reason": reason})) == (400, "invalid_request"), reason
    assert owner.data("POST", path, json=body)["id"] == str(stays.user_id)
    gone = owner.data("GET", f"/people/{mei.user_id}")
    assert (gone["status"], gone["merged_into"]) == ("closed", str(stays.user_id))
    assert owner.data("GET", f"/people/{stays.user_id}")["merged_ids"] == [str(mei.user_id)]
    assert error(owner("POST", path, json=body)) == (409, "not_active")
    for act in ("disable", "erase"):
        assert error(owner("POST", f"/people/{mei.user_id}/{act}")) == (409, "merged_away")
    assert signedin.native(mei.service, simulator, mei.name).user_id == stays.user_id
    undo = f"/people/{mei.user_id}/unmerge"
    assert error(owner("POST", undo, json={"reason": ""})) == (400, "invalid_request")
    assert owner.data("POST", undo, json={"reason": "two people"})["status"] == "active"
    assert not is_signed_in(stays)
    assert error(owner("POST", undo, json={"reason": "two people"})) == (409, "nothing_to_undo")
    assert signedin.native(mei.service, simulator, mei.name).user_id == mei.user_id
    assert owner.data("POST", path, json=body)["id"] == str(stays.user_id)
    assert owner("POST", f"/people/{stays.user_id}/disable").status_code == 200
    assert error(owner("POST", undo, json={"reason": "two people"})) == (409, "built_on_merge")


# --- everything else ------------------------------------------------------------------------------------------------


def test_campaigns_and_figures_are_read(reader: Caller, service: Service, mei: Person) -> None:
    with beside(service) as app:
        list(app.extensions["authsvc"].campaigns.seed(InviteBatch("operated", 3, "", 10, None, None, None)))
    [campaign] = [one for one in reader.data("GET", "/campaigns")["campaigns"] if one["batch"] == "operated"]
    assert (campaign["codes"], campaign["uses"]) == (3, 0)
    codes = reader.data("GET", "/invites", params={"batch": "operated"})["invites"]
    assert len(codes) == 3 and {code["state"] for code in codes} == {"open"}
    assert reader.data("GET", "/invites", params={"owner": str(mei.user_id)}) == {"invites": []}
    assert error(reader("GET", "/invites", params={"batch": "no-such-batch"})) == (404, "no_such_item")
    figures = reader.data("GET", "/readings", params={"batch": "operated"})
    assert figures["invited"]["total"] == 0 and figures["sign_ups"]["total"] >= 1
    assert len(figures["sign_ups"]["days"]) == 30
    assert re.fullmatch(r"20\d\d-\d\d-\d\d", figures["sign_ups"]["days"][-1]["day"])


def test_the_condition_of_the_service_is_read(reader: Caller) -> None:
    health = reader.data("GET", "/health")
    assert health["ready"] is True and health["checks"]["database"] is True
    assert len(health["lines"]) > 5 and {"ok"} <= {line["status"] for line in health["lines"]}
    assert "SECRET" not in str([line["says"] for line in health["lines"] if line["status"] == "ok"])
    found = reader.data("GET", "/wechat-errors")
    assert len(found["hours"]) == 24 and all(each["calls"] > 0 for each in found["errors"])


def test_what_there_is_is_listed_without_a_secret(reader: Caller, service: Service, canaries: Canaries) -> None:
    with beside(service) as app:
        credentials = app.extensions["authsvc"].service_credentials
        canaries.never("credential of a service", credentials.add("listed-here", ("introspect", "revoke")))
    [program] = reader.data("GET", "/programs")["programs"]
    assert (program["appid"], program["has_push"]) == (service.appid, False)
    [known] = [one for one in reader.data("GET", "/services")["services"] if one["name"] == "listed-here"]
    assert known["scopes"] == ["introspect", "revoke"] and set(known) == {"name", "scopes", "created_at"}
    [key] = reader.data("GET", "/keys")["keys"]
    published = service.call("GET", "/.well-known/jwks.json").json()["keys"]
    assert (key["kid"], key["state"], key["next"]) == (published[0]["kid"], "signing", "")


def test_webhooks_are_listed_with_what_was_given_up(reader: Caller, service: Service) -> None:
    service.rows(
        "INSERT INTO webhooks (name, url, kinds, scopes, secret, rotated_at, position, created_at)"
        " VALUES ('given-up', 'https://orders.example.com/hooks', 'person.erased', '', 'sealed', 1, 0, 1)"
    )
    service.rows(
        "INSERT INTO webhook_deliveries (webhook, position, kind, user_id, at, attempts, due_at, claimed_until,"
        " dead_at, last_error) VALUES ('given-up', 1, 'person.erased', 7, 2, 11, 3, 0, 4, 'HTTP status 500'),"
        " ('given-up', 2, 'person.erased', 8, 5, 0, 5, 0, NULL, '')"
    )
    try:
        listed = reader("GET", "/webhooks")
        [hook] = listed.json()["data"]["webhooks"]
        assert (hook["name"], hook["events"], hook["waiting"], hook["oldest_at"], hook["dead"]) == (
            *("given-up", ["person.erased"], 1, 5, 1),
        )
        assert "sealed" not in listed.text
        [message] = reader.data("GET", "/webhooks/dead")["messages"]
        assert (message["sub"], message["event"], message["error"]) == ("7", "person.erased", "HTTP status 500")
    finally:
        service.rows("DELETE FROM webhook_deliveries WHERE webhook = 'given-up'")
        service.rows("DELETE FROM webhooks WHERE name = 'given-up'")
