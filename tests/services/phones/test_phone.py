"""Phone numbers over real HTTP: one-tap login, binding, changing, removing; by code and by encryptedData."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.harness import signedin
from tests.harness.service import Service
from tests.harness.simulator import Simulator

NUMBERS = iter(range(13800130000, 13800139999))


@pytest.fixture
def number() -> str:
    """A mainland number that nobody has yet."""
    return str(next(NUMBERS))


@pytest.fixture
def names() -> Iterator[str]:
    return (f"phone-{next(NUMBERS)}" for _ in iter(int, 1))


def tap(simulator: Simulator, user: str, number: str, **options: Any) -> dict[str, Any]:
    """What the phone button gives."""
    body = {"appid": simulator.appid, "user": user, "phone": number, **options}
    tapped: dict[str, Any] = simulator.call("POST", "/phone/phonenumber", body)
    return tapped


def sign_in(service: Service, simulator: Simulator, user: str, **fields: Any) -> dict[str, Any]:
    answer = service.call("POST", "/api/v1/auth/login", json={"code": simulator.code(user), **fields})
    assert answer.status_code == 200, answer.text
    data: dict[str, Any] = answer.json()["data"]
    return data


def bind(service: Service, token: str, **fields: Any) -> Any:
    return service.call("POST", "/api/v1/me/phone", token=token, json=fields)


def phone_calls(simulator: Simulator) -> int:
    return len(simulator.journal(path="/wxa/business/getuserphonenumber"))


def test_one_call_signs_in_and_binds_the_number_by_code(
    simulator: Simulator, each_service: Service, names: Iterator[str], number: str
) -> None:
    user = next(names)
    data = sign_in(each_service, simulator, user, phoneCode=tap(simulator, user, number)["code"])
    assert data["user"]["phone"] == f"+86{number}"
    assert phone_calls(simulator) == 1


def test_one_call_signs_in_and_binds_the_number_by_encrypted_data(
    simulator: Simulator, each_service: Service, names: Iterator[str], number: str
) -> None:
    user = next(names)
    code = simulator.code(user)
    tapped = tap(simulator, user, number)
    fields = {"encryptedData": tapped["encryptedData"], "iv": tapped["iv"], "expectsPhone": True}
    answer = each_service.call("POST", "/api/v1/auth/login", json={"code": code, **fields})
    assert (answer.status_code, answer.json()["data"]["user"]["phone"]) == (200, f"+86{number}")


@pytest.mark.parametrize("path", ["/auth/mp_login", "/mp_login", "/login/wechatLogin"])
def test_front_ends_prefer_the_phone_code(
    simulator: Simulator, each_service: Service, names: Iterator[str], number: str, path: str
) -> None:
    user = next(names)
    code, tapped = simulator.code(user), tap(simulator, user, number)
    # The ciphertext is of nobody: it must not even be looked at.
    body = {"code": code, "phoneCode": tapped["code"], "encryptedData": "A" * 64, "iv": "A" * 22 + "=="}
    answer = each_service.call("POST", path, json=body)
    assert answer.status_code == 200, answer.text
    assert each_service.rows(f"SELECT country_code FROM users WHERE phone = '{number}'") == [("86",)]


def test_a_signed_in_user_binds_changes_and_removes_a_number(
    simulator: Simulator, each_service: Service, names: Iterator[str]
) -> None:
    service, user = each_service, next(names)
    first, second = str(next(NUMBERS)), str(next(NUMBERS))
    token = sign_in(service, simulator, user)["access_token"]

    bound = bind(service, token, code=tap(simulator, user, first)["code"])
    assert (bound.status_code, bound.json()["data"]["phone"], bound.json()["data"]["tokens"]) == (
        200,
        f"+86{first}",
        None,
    )
    sealed = tap(simulator, user, second)
    changed = bind(service, token, encryptedData=sealed["encryptedData"], iv=sealed["iv"])
    assert changed.json()["data"]["phone"] == f"+86{second}"
    assert service.count("users", f"phone = '{first}'") == 0

    removed = service.call("DELETE", "/api/v1/me/phone", token=token)
    assert (removed.status_code, removed.json()["data"]["phone"]) == (200, None)
    again = service.call("DELETE", "/api/v1/me/phone", token=token)
    assert (again.status_code, again.json()["error"]) == (404, "no_such_item")


def test_a_bare_user_who_proves_anothers_number_becomes_that_user(
    simulator: Simulator, each_service: Service, names: Iterator[str], number: str
) -> None:
    service, owner, newcomer = each_service, next(names), next(names)
    owned = sign_in(service, simulator, owner, phoneCode=tap(simulator, owner, number)["code"])
    token = sign_in(service, simulator, newcomer)["access_token"]
    data = bind(service, token, code=tap(simulator, newcomer, number)["code"]).json()["data"]
    assert (data["id"], data["phone"]) == (owned["user"]["id"], f"+86{number}")
    assert service.call("GET", "/api/v1/me", token=token).status_code == 401
    me = service.call("GET", "/api/v1/me", token=data["tokens"]["access_token"])
    assert me.json()["data"]["id"] == owned["user"]["id"]


def test_a_number_of_somebody_else_is_refused_to_who_has_one(
    simulator: Simulator, each_service: Service, names: Iterator[str], number: str
) -> None:
    service, owner, other, own = each_service, next(names), next(names), str(next(NUMBERS))
    sign_in(service, simulator, owner, phoneCode=tap(simulator, owner, number)["code"])
    token = sign_in(service, simulator, other, phoneCode=tap(simulator, other, own)["code"])["access_token"]
    refused = bind(service, token, code=tap(simulator, other, number)["code"])
    assert (refused.status_code, refused.json()["error"]) == (409, "phone_taken")
    assert service.call("GET", "/api/v1/me", token=token).json()["data"]["phone"] == f"+86{own}"


def test_a_code_is_sent_once_and_the_person_is_told_to_tap_again(
    simulator: Simulator, service: Service, names: Iterator[str], number: str
) -> None:
    user = next(names)
    token = sign_in(service, simulator, user)["access_token"]
    code = tap(simulator, user, number)["code"]
    assert bind(service, token, code=code).status_code == 200
    again = bind(service, token, code=code)
    assert (again.status_code, again.json()["error"], again.json()["action"]) == (
        400,
        "wx_phone_code_invalid",
        "tap_again",
    )
    assert phone_calls(simulator) == 1


def test_codes_that_were_mixed_up_are_told_apart(simulator: Simulator, service: Service, names: Iterator[str]) -> None:
    user = next(names)
    token = sign_in(service, simulator, user)["access_token"]
    login_as_phone = bind(service, token, code=simulator.code(user))
    assert (login_as_phone.json()["error"], login_as_phone.json()["action"]) == (
        "wx_phone_code_is_login_code",
        "fix_request",
    )
    phone_code = tap(simulator, user, str(next(NUMBERS)))["code"]
    phone_as_login = service.call("POST", "/api/v1/auth/login", json={"code": phone_code})
    assert (phone_as_login.json()["error"], phone_as_login.json()["action"]) == ("wx_code_is_phone_code", "fix_request")


def test_another_persons_code_is_refused_and_binds_nothing(
    simulator: Simulator, service: Service, names: Iterator[str], number: str
) -> None:
    user, other = next(names), next(names)
    token = sign_in(service, simulator, user)["access_token"]
    simulator.code(other)
    refused = bind(service, token, code=tap(simulator, other, number)["code"])
    assert refused.status_code == 400, refused.text
    assert service.call("GET", "/api/v1/me", token=token).json()["data"]["phone"] is None


def test_a_profile_sent_as_phone_data_is_refused(simulator: Simulator, service: Service, names: Iterator[str]) -> None:
    user = next(names)
    token = sign_in(service, simulator, user)["access_token"]
    profile = simulator.sealed(user)
    refused = bind(service, token, encryptedData=profile["encryptedData"], iv=profile["iv"])
    assert (refused.status_code, refused.json()["error"]) == (400, "data_rejected")


def test_a_foreign_number_has_its_own_country(simulator: Simulator, service: Service, names: Iterator[str]) -> None:
    user = next(names)
    token = sign_in(service, simulator, user)["access_token"]
    tapped = tap(simulator, user, "61234567", country_code="852")
    assert bind(service, token, code=tapped["code"]).json()["data"]["phone"] == "+85261234567"


@pytest.mark.parametrize(
    "code, national, stored",
    [
        ("1876", "5551234", "+18765551234"),
        ("1242", "3591234", "+12423591234"),
        ("0086", "13700137000", "+8613700137000"),
        ("86", "1370013700012345", "+861370013700012345"),
        ("999", "5551234", "+9995551234"),
    ],
)
def test_what_wechat_has_verified_is_stored_by_both_ways_in_and_is_one_number(
    simulator: Simulator, service: Service, names: Iterator[str], code: str, national: str, stored: str
) -> None:
    by_code, by_data = next(names), next(names)
    token = sign_in(service, simulator, by_code)["access_token"]
    tapped = tap(simulator, by_code, national, country_code=code)
    assert bind(service, token, code=tapped["code"]).json()["data"]["phone"] == stored
    user = service.call("GET", "/api/v1/me", token=token).json()["data"]["id"]
    simulator.code(by_data)
    body = {"code": simulator.code(by_data), **signedin.tapped(simulator, by_data, phone=national, country_code=code)}
    answer = service.call("POST", "/auth/mp_login", json=body)
    assert answer.status_code == 200, answer.text
    assert signedin.claims(answer.json()["access_token"])["sub"] == user
    service.rows(f"UPDATE users SET phone = NULL, country_code = NULL WHERE id = {user}")


def test_one_person_may_ask_five_times_a_day(simulator: Simulator, service: Service, names: Iterator[str]) -> None:
    user = next(names)
    token = sign_in(service, simulator, user)["access_token"]
    answers = [bind(service, token, code=tap(simulator, user, str(next(NUMBERS)))["code"]) for _ in range(6)]
    assert [answer.status_code for answer in answers] == [200] * 5 + [429]
    assert (answers[5].json()["error"], phone_calls(simulator)) == ("phone_budget_exhausted", 5)
    assert int(answers[5].headers["Retry-After"]) > 0


def test_the_contract_detail_looks_a_number_up(
    simulator: Simulator, service: Service, names: Iterator[str], number: str
) -> None:
    user = next(names)
    simulator.code(user)
    found = service.call("GET", "/wx/phone", params={"code": tap(simulator, user, number)["code"]})
    assert (found.status_code, found.json()) == (200, {"phone": number})
    assert service.call("GET", "/wx/phone").json() == {"detail": "缺少code"}
    for wrong in (simulator.code(user), "0" * 64):
        refused = service.call("GET", "/wx/phone", params={"code": wrong})
        assert (refused.status_code, set(refused.json())) == (503, {"detail"})


def test_a_number_reaches_no_log_and_no_foreign_answer(
    simulator: Simulator, service: Service, names: Iterator[str], number: str
) -> None:
    user = next(names)
    service.canaries.not_in_logs("phone number", number)
    token = sign_in(service, simulator, user, phoneCode=tap(simulator, user, number)["code"])["access_token"]
    profile = service.call("GET", "/api/v1/user/profile", token=token)
    assert number not in profile.text
