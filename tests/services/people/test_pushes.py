"""Message push over real HTTP: WeChat's events are acted on once, and nobody else's at all."""

import secrets
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from tests.harness.service import Service
from tests.harness.signedin import Person, native, tapped
from tests.harness.simulator import Simulator

TOKEN = "pushtoken0815"
KEY, OLD_KEY, FOREIGN_KEY = "k" * 42 + "G", "o" * 42 + "S", "f" * 42 + "R"
REVOKE, CANCEL, MODIFIED = "user_authorization_revoke", "user_authorization_cancellation", "user_info_modified"
WAYS = [(mode, format_) for mode in ("compatible", "safe") for format_ in ("JSON", "XML")]


@pytest.fixture(scope="module", params=["sqlite", "mysql"])
def pushed(request: pytest.FixtureRequest, start_service: Callable[..., Service]) -> Service:
    """A service whose mini program pushes, encrypted."""
    settings = {"WX_PUSH_TOKEN": TOKEN, "WX_PUSH_AES_KEYS": f"{KEY},{OLD_KEY}"}
    return start_service(f"pushed-{request.param}", database=request.param, workers=2, settings=settings)


@pytest.fixture
def names() -> Iterator[str]:
    return (f"pushed-{secrets.token_hex(4)}" for _ in iter(int, 1))


def push(simulator: Simulator, service: Service, **options: Any) -> dict[str, Any]:
    body = {
        "url": f"{service.url}/wechat/push",
        "appid": simulator.appid,
        "token": TOKEN,
        "aes_key": KEY,
        **options,
    }
    told: dict[str, Any] = simulator.call("POST", "/control/push", body)
    return told


def person(simulator: Simulator, service: Service, name: str) -> Person:
    """Somebody with a nickname, a picture and a number."""
    signed_in = native(service, simulator, name)
    profile = {"nickname": "Anna", "avatar_url": "https://example.test/anna.png"}
    assert signed_in.call("PUT", "/api/v1/me", json=profile).status_code == 200
    bound = signed_in.call("POST", "/api/v1/me/phone", json=tapped(simulator, name))
    assert bound.status_code == 200, bound.text
    return signed_in


def kept(signed_in: Person) -> dict[str, bool]:
    """What is still there of the person."""
    answer = signed_in.call("GET", "/api/v1/me")
    if answer.status_code == 401:
        return {}
    data = answer.json()["data"]
    return {name: data[name] is not None for name in ("nickname", "avatar_url", "phone")}


ALL = {"nickname": True, "avatar_url": True, "phone": True}


@pytest.mark.parametrize("mode, format_", WAYS)
def test_a_revoked_number_is_forgotten_in_every_mode_and_format(
    pushed: Service, simulator: Simulator, names: Iterator[str], mode: str, format_: str
) -> None:
    name = next(names)
    signed_in = person(simulator, pushed, name)
    told = push(simulator, pushed, user=name, mode=mode, format=format_, fields={"RevokeInfo": "8"})
    assert (told["status"], told["answer"]) == (200, "success")
    assert told["seconds"] < 1
    assert kept(signed_in) == {**ALL, "phone": False}


@pytest.mark.parametrize(
    "event, revoked, gone",
    [
        (REVOKE, "6", {"nickname", "avatar_url"}),
        (REVOKE, "19", {"nickname"}),
        (REVOKE, "20", {"avatar_url"}),
        (REVOKE, "8,20", {"phone", "avatar_url"}),
        (REVOKE, "1,2,3,13", set()),
        (MODIFIED, "", {"nickname", "avatar_url"}),
        ("user_paid_for_something", "8", set()),
    ],
)
def test_what_is_named_goes_and_nothing_else(
    pushed: Service, simulator: Simulator, names: Iterator[str], event: str, revoked: str, gone: set[str]
) -> None:
    name = next(names)
    signed_in = person(simulator, pushed, name)
    told = push(simulator, pushed, user=name, event=event, fields={"RevokeInfo": revoked})
    assert (told["status"], told["answer"]) == (200, "success")
    assert kept(signed_in) == {thing: thing not in gone for thing in ALL}


def test_who_leaves_is_erased_and_comes_back_as_somebody_new(
    pushed: Service, simulator: Simulator, names: Iterator[str]
) -> None:
    name = next(names)
    signed_in = person(simulator, pushed, name)
    told = push(simulator, pushed, user=name, event=CANCEL)
    assert (told["status"], told["answer"]) == (200, "success")
    assert told["seconds"] < 1
    assert kept(signed_in) == {}
    back = native(pushed, simulator, name)
    assert back.user_id != signed_in.user_id

    again = requests.post(told_url(pushed, told), data=told["body"].encode(), timeout=5)
    assert (again.status_code, again.text) == (200, "success")
    assert back.call("GET", "/api/v1/me").status_code == 200


def told_url(service: Service, told: dict[str, Any]) -> str:
    return requests.Request("POST", f"{service.url}/wechat/push", params=told["query"]).prepare().url or ""


def test_the_key_before_is_good_while_keys_change_and_no_other(
    pushed: Service, simulator: Simulator, names: Iterator[str]
) -> None:
    name = next(names)
    signed_in = person(simulator, pushed, name)
    assert push(simulator, pushed, user=name, aes_key=FOREIGN_KEY, fields={"RevokeInfo": "8"})["status"] == 403
    assert kept(signed_in) == ALL
    assert push(simulator, pushed, user=name, aes_key=OLD_KEY, fields={"RevokeInfo": "8"})["status"] == 200
    assert kept(signed_in) == {**ALL, "phone": False}


@pytest.mark.parametrize(
    "options",
    [
        {"token": "anothertoken"},
        {"mode": "plain"},
        {"age": 360},
        {"age": -360},
        {"fields": {"RevokeInfo": "8", "AppID": "wx51a051a000000001"}},
    ],
    ids=["forged", "not encrypted", "six minutes old", "from the future", "another appid"],
)
def test_what_is_forged_stale_or_foreign_changes_nothing(
    pushed: Service, simulator: Simulator, names: Iterator[str], options: dict[str, Any]
) -> None:
    name = next(names)
    signed_in = person(simulator, pushed, name)
    told = push(simulator, pushed, **{"user": name, "fields": {"RevokeInfo": "8"}, **options})
    assert told["status"] == 403
    assert '"push_rejected"' in told["answer"]
    assert kept(signed_in) == ALL


def test_an_unknown_openid_and_none_at_all_are_acknowledged(pushed: Service, simulator: Simulator) -> None:
    assert push(simulator, pushed, event=CANCEL, user="nobody we know")["status"] == 200
    assert push(simulator, pushed, event=MODIFIED)["status"] == 200


def test_the_trial_of_the_address(pushed: Service, simulator: Simulator) -> None:
    for address in ("/wechat/push", f"/wechat/push/{simulator.appid}"):
        told = simulator.call("POST", "/control/push/trial", {"url": pushed.url + address, "token": TOKEN})
        assert (told["status"], told["answer"]) == (200, told["echostr"])
    refused = simulator.call("POST", "/control/push/trial", {"url": f"{pushed.url}/wechat/push", "token": "wrong"})
    assert refused["status"] == 403
    unknown = {"url": f"{pushed.url}/wechat/push/wx51a051a000000009", "token": TOKEN}
    assert simulator.call("POST", "/control/push/trial", unknown)["status"] == 400


def test_without_a_token_there_is_no_such_address(service: Service, simulator: Simulator) -> None:
    told = simulator.call("POST", "/control/push/trial", {"url": f"{service.url}/wechat/push", "token": TOKEN})
    assert told["status"] == 404


def test_a_plain_push_counts_where_no_key_is_set_and_its_address_only_once(
    start_briefly: Callable[..., Service], simulator: Simulator, names: Iterator[str]
) -> None:
    """Without encryption a signature says nothing of the message: another message at the same address is a replay."""
    service = start_briefly("pushed-plain", workers=1, settings={"WX_PUSH_TOKEN": TOKEN})
    name, other = next(names), next(names)
    signed_in, bystander = person(simulator, service, name), person(simulator, service, other)
    told = push(simulator, service, user=name, mode="plain", aes_key=None, fields={"RevokeInfo": "8"})
    assert told["status"] == 200
    assert kept(signed_in) == {**ALL, "phone": False}
    forged = told["body"].replace(account(simulator, name), account(simulator, other))
    assert requests.post(told_url(service, told), data=forged.encode(), timeout=5).status_code == 200
    assert kept(bystander) == ALL


def account(simulator: Simulator, name: str) -> str:
    shown = simulator.call("GET", f"/control/users/{name}")
    return str(next(found["openid"] for found in shown["accounts"] if found["appid"] == simulator.appid))
