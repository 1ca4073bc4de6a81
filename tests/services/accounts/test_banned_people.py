"""A ban outlives the account: who was disabled and is erased comes back by no way in, until the ban is lifted.

And an invite counts a person once, however often they leave and come back.
"""

import secrets
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from flask import Flask

from authsvc.services import Services
from tests.harness import signedin
from tests.harness.inprocess import beside
from tests.harness.service import Service
from tests.harness.signedin import native, tapped
from tests.harness.simulator import Simulator

TOKEN = "pushtoken0815"
ME = "/api/v1/me"


@pytest.fixture(scope="module", params=["sqlite", "mysql"])
def banning(request: pytest.FixtureRequest, start_service: Callable[..., Service]) -> Service:
    """A service whose mini program pushes."""
    return start_service("banning", database=request.param, workers=2, settings={"WX_PUSH_TOKEN": TOKEN})


@pytest.fixture(scope="module")
def app(banning: Service) -> Iterator[Flask]:
    with beside(banning) as app:
        yield app


@pytest.fixture
def operator(app: Flask) -> Iterator[Services]:
    with app.app_context():
        yield app.extensions["authsvc"]


@pytest.fixture
def names() -> Iterator[str]:
    return (f"banned-{secrets.token_hex(4)}" for _ in iter(int, 1))


def leave(simulator: Simulator, service: Service, name: str) -> None:
    """What WeChat pushes when somebody takes everything back."""
    event = {"user": name, "event": "user_authorization_cancellation", "mode": "plain"}
    place = {"url": f"{service.url}/wechat/push", "appid": simulator.appid, "token": TOKEN}
    told = simulator.call("POST", "/control/push", {**place, **event})
    assert (told["status"], told["answer"]) == (200, "success")


def with_phone(service: Service, simulator: Simulator, name: str) -> signedin.Person:
    signed_in = native(service, simulator, name)
    bound = signed_in.call("POST", f"{ME}/phone", json=tapped(simulator, name))
    assert bound.status_code == 200, bound.text
    return signed_in


def number_of(simulator: Simulator, name: str) -> str:
    return str(simulator.call("GET", f"/control/users/{name}")["phone"])


def ways_in(
    service: Service, simulator: Simulator, name: str, ticket: str, friend: str
) -> Iterator[tuple[str, requests.Response, bool]]:
    """Every way to a user: its name, the answer, and whether it is one without the banned WeChat."""
    friends = native(service, simulator, friend).access

    def code() -> str:
        return simulator.code(name)

    def post(path: str, body: dict[str, Any], **options: Any) -> requests.Response:
        return service.call("POST", path, json=body, **options)

    yield "native", service.login(code()), False
    yield "native, opening again", service.login(code(), json={"reopen": True}), False
    yield "native, phone code", service.login(code(), json={"phoneCode": simulator.phone_code(name)}), False
    yield "code_message_data", post("/api/v1/auth/wx-login", {"code": code()}), False
    yield "code_msg_data", post("/user/wxlogin", {"platCode": code()}), False
    yield "bearer", post("/auth/mp_login", {"code": code(), **tapped(simulator, name)}), False
    query = {"code": code(), **tapped(simulator, name)}
    yield "success_data", service.call("GET", "/login/wechatLogin", params=query), False
    yield "detail, first step", service.call("GET", "/wx/login", params={"code": code()}), False
    body = {"openid": ticket, "phone": f"139{secrets.randbelow(10**8):08}", "sex": 1}
    yield "detail, a ticket from before", post("/wx/login", body), False
    number = number_of(simulator, name)
    body = {"code": simulator.code(f"{friend}-new"), **tapped(simulator, f"{friend}-new", phone=number)}
    yield "another WeChat with the number", post("/auth/mp_login", body), True
    body = tapped(simulator, friend, phone=number)
    yield "another user with the number", post(f"{ME}/phone", body, token=friends), True


def test_who_was_disabled_and_is_erased_comes_back_by_no_way_in_until_the_ban_is_lifted(
    banning: Service, simulator: Simulator, operator: Services, names: Iterator[str]
) -> None:
    service, name, friend = banning, next(names), next(names)
    ticket = signedin.ticket(service, simulator, name)
    user_id = int(with_phone(service, simulator, name).user_id)
    operator.users.disable(user_id)
    leave(simulator, service, name)
    assert service.count("users", f"id = {user_id}") == 0
    before = service.count("users") + 1  # the friend
    for way, answer, _ in ways_in(service, simulator, name, ticket, friend):
        assert answer.status_code == 403, (way, answer.status_code, answer.text)
        assert "账号已停用" in answer.text, (way, answer.text)
    assert service.count("users") == before and service.orphans() == []

    openid, number = simulator.account(name)["openid"], number_of(simulator, name)
    stored = str(service.rows("SELECT * FROM ban_marks"))
    assert openid not in stored and number not in stored and f" {user_id}," not in stored
    assert operator.users.lift_ban_of_phone(number) == 2  # their WeChat's goes with it
    assert int(native(service, simulator, name).user_id) > user_id
    with_phone(service, simulator, name)


def test_who_closes_first_is_disabled_all_the_same_and_opens_nothing_again(
    banning: Service, simulator: Simulator, operator: Services, names: Iterator[str]
) -> None:
    service, name = banning, next(names)
    signed_in = native(service, simulator, name)
    user_id = int(signed_in.user_id)
    operator.closing.close(operator.sessions.authenticate(_claims(operator, signed_in.access)))
    operator.users.disable(user_id)
    for body in ({}, {"reopen": True}):
        answer = service.login(simulator.code(name), json=body)
        assert (answer.status_code, answer.json()["error"]) == (403, "account_disabled")

    operator.users.enable(user_id)
    answer = service.login(simulator.code(name))
    assert answer.json()["error"] == "account_closed", "enabled, it is the closed account that it was"
    operator.users.disable(user_id)
    service.rows(f"UPDATE users SET closed_at = 1 WHERE id = {user_id}")
    assert operator.closing.erase_due() == 1, "who asked to leave is erased, disabled or not"
    assert service.login(simulator.code(name), json={"reopen": True}).json()["error"] == "account_disabled"
    assert operator.users.lift_ban_of_openid(simulator.account(name)["openid"]) == 1
    assert service.login(simulator.code(name)).status_code == 200


def _claims(operator: Services, token: str) -> Any:
    return operator.introspection._checker.check(token)


def test_a_friend_who_leaves_and_comes_back_five_times_counts_once(
    banning: Service, simulator: Simulator, operator: Services, names: Iterator[str]
) -> None:
    service, host, friend = banning, next(names), next(names)
    hosts = native(service, simulator, host).access
    code = service.call("GET", f"{ME}/invite", token=hosts).json()["data"]["invite_code"]
    told = []
    for turn in range(5):
        answer = service.login(simulator.code(friend), json={"invite_code": code})
        told.append(answer.json()["data"]["invite"]["status"])
        if turn % 2:
            leave(simulator, service, friend)
        else:
            assert operator.closing.erase(int(answer.json()["data"]["user"]["id"]), "closed, and the time is over")
    assert told == ["accepted", *["already_invited"] * 4]
    assert service.call("GET", f"{ME}/invite", token=hosts).json()["data"]["uses"] == 1
    assert service.call("GET", f"{ME}/invite/arrivals", token=hosts).json()["data"]["count"] == 1
