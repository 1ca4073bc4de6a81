"""A deployment that serves one contract beside the native API; and what calls cost there that name nobody."""

from collections.abc import Callable
from typing import Any

import pytest

from authsvc.web.contracts import CONTRACTS
from authsvc.web.contracts.bearer import BEARER_CODE
from tests.harness import signedin
from tests.harness.service import Service
from tests.harness.simulator import Simulator

OFF = [
    (contract.name, route.method, route.rule)
    for contract in (*CONTRACTS, BEARER_CODE)
    for route in contract.routes
    if contract.name not in ("native", "detail")
]
TOTAL, UNATTRIBUTED, PER_ADDRESS, PER_USER = 8, 4, 3, 2


@pytest.fixture(scope="module")
def narrow(start_service: Callable[..., Service]) -> Service:
    settings = {
        "CONTRACTS": "detail",
        "TRUSTED_PROXIES": "1",
        "PHONE_DAILY_TOTAL": str(TOTAL),
        "PHONE_DAILY_UNATTRIBUTED": str(UNATTRIBUTED),
        "PHONE_DAILY_UNATTRIBUTED_PER_ADDRESS": str(PER_ADDRESS),
        "PHONE_DAILY_PER_USER": str(PER_USER),
    }
    return start_service("narrow", settings=settings)


@pytest.mark.parametrize("name, method, rule", OFF, ids=lambda value: str(value))
def test_the_addresses_of_a_contract_that_is_off_do_not_exist(
    narrow: Service, name: str, method: str, rule: str
) -> None:
    for asked in (method, "DELETE"):
        answer = narrow.call(asked, rule, json={} if asked == "POST" else None)
        assert answer.status_code == 404, (name, asked)
        body: dict[str, Any] = answer.json()
        assert (body["error"], body["action"], body["data"]) == ("not_found", "fix_request", None)


def test_the_documentation_holds_what_is_served(narrow: Service, service: Service) -> None:
    described, whole = (one.call("GET", "/openapi.json").json()["paths"] for one in (narrow, service))
    assert set(whole) - set(described) == {rule for _, _, rule in OFF}
    for path in ("/wx/login", "/wx/phone", "/api/v1/auth/login", "/qrcodes/{name}", "/oauth/introspect"):
        assert path in described


def test_what_is_on_works_as_ever(narrow: Service, simulator: Simulator) -> None:
    assert signedin.native(narrow, simulator, "narrow-native").user_id
    assert signedin.ticket(narrow, simulator, "narrow-stranger")
    answer = narrow.call("GET", "/wx/nothing")
    assert (answer.status_code, answer.json()) == (404, {"detail": "地址不存在"})
    assert narrow.call("GET", f"/qrcodes/{'0' * 32}.png").json()["error"] == "no_such_item"


def test_whoever_names_nobody_leaves_the_signed_in_their_numbers(narrow: Service, simulator: Simulator) -> None:
    def look(user: str, address: str, ticket: str = "", token: str | None = None) -> int:
        query = {"code": simulator.phone_code(user), **({"openid": ticket} if ticket else {})}
        answer = narrow.call("GET", "/wx/phone", params=query, token=token, headers={"X-Forwarded-For": address})
        assert answer.status_code in (200, 503), answer.text
        return answer.status_code

    attacker, same_line, other = "2001:db8:0:1::1", "2001:db8:0:2::1", "192.0.2.7"
    taken = [look("narrow-greedy", attacker) for _ in range(PER_ADDRESS)]
    taken += [look("narrow-greedy", address) for address in (attacker, same_line, other, other)]
    assert taken == [200] * PER_ADDRESS + [503, 503, 200, 503], "an address has its part, all of them have theirs"
    assert len(simulator.journal(path="/wxa/business/getuserphonenumber")) == UNATTRIBUTED
    assert look("narrow-greedy", attacker, token="not.a.token") == 503

    ticket = signedin.ticket(narrow, simulator, "narrow-asker")
    assert [look("narrow-asker", attacker, ticket) for _ in range(PER_USER + 1)] == [200, 200, 503]
    token = signedin.native(narrow, simulator, "narrow-member").access
    assert look("narrow-member", attacker, token=token) == 200
    assert look("narrow-greedy", other, token=token) == 503, "the code is another person's"
    assert look("narrow-member", attacker, token=token) == 200
    body = {"openid": ticket, "phone": "13912340001", "sex": 1}
    assert narrow.call("POST", "/wx/login", json=body).status_code == 201, "the ticket was not used up"
    answer = narrow.call("GET", "/wx/phone", params={"code": simulator.phone_code("narrow-asker"), "openid": "x"})
    assert (answer.status_code, answer.json()) == (400, {"non_field_errors": ["openid无效"]})
    said = [line for line in narrow.log.read_text().splitlines() if "phone_calls_stopped" in line]
    assert len(said) == 1, "said to the operator"
