"""A login asked for twice because the first answer was lost: the same session, once, and only for the same key."""

import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import jwt
import pytest
import requests
from flask.testing import FlaskClient

from authsvc.values.wechat import MiniProgram
from tests.conftest import APPID
from tests.harness.crowd import post
from tests.harness.inprocess import Clock, whole
from tests.harness.races import Race
from tests.harness.service import Service
from tests.harness.simulator import Simulator

CALLERS = 50
ROUNDS = 5
USED = (401, "wx_code_used", "relogin")


def login(service: Service, code: str, key: str | None) -> requests.Response:
    return service.login(code, headers={} if key is None else {"Idempotency-Key": key})


def session_of(answer: requests.Response) -> str:
    assert answer.status_code == 200, answer.text
    return sid(answer.json()["data"]["access_token"])


def sid(token: str) -> str:
    return str(jwt.decode(token, options={"verify_signature": False})["sid"])


def outcome(reply: requests.Response) -> tuple[int, str, str]:
    body = reply.json()
    return reply.status_code, body["error"], body["action"]


def test_the_same_code_with_the_same_key_gives_the_same_session(simulator: Simulator, each_service: Service) -> None:
    code, key = simulator.code("bao"), secrets.token_urlsafe(16)
    replies = [login(each_service, code, key) for _ in range(3)]
    assert len({session_of(reply) for reply in replies}) == 1
    assert [reply.json()["data"]["is_new_user"] for reply in replies[1:]] == [False, False]
    assert len({reply.json()["data"]["user"]["id"] for reply in replies}) == 1
    assert len(simulator.journal(code=code)) == 1
    token = replies[-1].json()["data"]["access_token"]
    assert each_service.call("GET", "/api/v1/user/profile", token=token).status_code == 200


def test_fifty_repeats_at_once_over_four_workers_are_one_login(
    simulator: Simulator, each_service: Service, race_on: Callable[[Service], Race]
) -> None:
    race = race_on(each_service)
    for number in range(ROUNDS):
        name = f"{race.seed}-{number}"
        code, before = simulator.code(f"cai-{name}"), each_service.count("sessions")
        request = post(f"{each_service.url}/api/v1/auth/login", {"code": code}, Idempotency_Key=f"key-{name}")
        answers = race.send([request] * CALLERS)
        assert [answer.status for answer in answers] == [200] * CALLERS, f"seed {race.seed}, round {number}"
        assert len({sid(answer.json()["data"]["access_token"]) for answer in answers}) == 1
        assert each_service.count("sessions") - before == 1
        assert len(simulator.journal(code=code)) == 1
    race.note(
        f"one login asked for {CALLERS} times at once",
        f"4 workers, {ROUNDS} rounds, each one session and one call to WeChat; slowest {race.slowest:.2f} s",
    )


def test_fifty_callers_with_one_code_and_keys_of_their_own_are_one_success(
    simulator: Simulator, each_service: Service, race_on: Callable[[Service], Race]
) -> None:
    code, before = simulator.code("dai"), each_service.count("sessions")
    address = f"{each_service.url}/api/v1/auth/login"
    requests = [post(address, {"code": code}, Idempotency_Key=f"own-key-{n}") for n in range(CALLERS)]
    answers = race_on(each_service).send(requests)
    assert sorted(answer.status for answer in answers) == [200] + [401] * (CALLERS - 1)
    assert {answer.json()["error"] for answer in answers if answer.status == 401} == {"wx_code_used"}
    assert each_service.count("sessions") - before == 1


@pytest.mark.parametrize("second_key", ["another-key", None])
def test_another_key_or_none_finds_the_code_used(
    simulator: Simulator, each_service: Service, second_key: str | None
) -> None:
    code = simulator.code("er")
    session_of(login(each_service, code, "first-key"))
    assert outcome(login(each_service, code, second_key)) == USED
    session_of(login(each_service, code, "first-key"))


def test_a_login_without_key_is_not_remembered(simulator: Simulator, each_service: Service) -> None:
    code, before = simulator.code("fu"), each_service.count("login_attempts")
    session_of(login(each_service, code, None))
    assert outcome(login(each_service, code, None)) == USED
    assert outcome(login(each_service, code, "late-key")) == USED
    assert each_service.count("login_attempts") == before


def test_a_key_belongs_to_its_code(simulator: Simulator, service: Service) -> None:
    sessions = {session_of(login(service, code, "same-key")) for code in simulator.codes("gan", 2)}
    assert len(sessions) == 2


@pytest.mark.parametrize(
    "key", ["", "1234567", "k" * 65, "with blank", "käse-käse", "semi;colon", "key,key-key-key", "a/b/c/d/e"]
)
def test_a_malformed_key_is_refused_by_the_name_of_its_header(simulator: Simulator, service: Service, key: str) -> None:
    code = simulator.code("hai")
    reply = service.login(code, headers={"Idempotency-Key": key.encode("latin-1"), "Accept-Language": "en"})
    assert outcome(reply) == (400, "invalid_request", "fix_request")
    assert reply.json()["fields"] == {"Idempotency-Key": "is malformed"}
    assert simulator.journal(code=code) == []


def test_a_failed_first_login_leaves_the_repeat_free(simulator: Simulator, each_service: Service) -> None:
    code = simulator.code("ji")
    simulator.fault({"kind": "errcode", "errcode": -1}, times=2, code=code)
    assert outcome(login(each_service, code, "failing-key")) == (503, "wechat_busy", "relogin")
    session_of(login(each_service, code, "failing-key"))


def test_a_repeat_opens_what_came_encrypted_again(simulator: Simulator, each_service: Service) -> None:
    code = simulator.code("kai")
    sealed = simulator.sealed("kai")
    body = {"platCode": code, "platUserInfoMap": sealed}
    first, second = (
        each_service.call("POST", "/user/wxlogin", json=body, headers={"Idempotency-Key": "sealed-key"}).json()["data"]
        for _ in range(2)
    )
    assert sid(first["token"]) == sid(second["token"])
    assert "nickName" in first
    tokens = ("token", "expires_in")
    assert {k: v for k, v in first.items() if k not in tokens} == {k: v for k, v in second.items() if k not in tokens}

    tampered = {**body, "platUserInfoMap": {**sealed, "iv": simulator.sealed("kai")["iv"]}}
    refused = each_service.call("POST", "/user/wxlogin", json=tampered, headers={"Idempotency-Key": "sealed-key"})
    assert refused.status_code == 400


def test_the_window_ends(simulator: Simulator, start_briefly: Callable[..., Service]) -> None:
    service = start_briefly("short-window", workers=1, settings={"LOGIN_RETRY_WINDOW": "2"})
    code, started = simulator.code("lan"), time.monotonic()
    first = session_of(login(service, code, "short-lived"))
    while (reply := login(service, code, "short-lived")).ok:
        assert session_of(reply) == first
        assert time.monotonic() - started < 5, "the window does not end"
        time.sleep(0.1)
    assert outcome(reply) == USED
    assert time.monotonic() - started >= 2


def test_a_window_of_zero_turns_it_off(simulator: Simulator, start_briefly: Callable[..., Service]) -> None:
    service = start_briefly("no-window", workers=1, settings={"LOGIN_RETRY_WINDOW": "0"})
    code = simulator.code("mo")
    session_of(login(service, code, "ignored-key"))
    assert outcome(login(service, code, "ignored-key")) == USED
    assert service.count("login_attempts") == 0


# --- to the second, with a clock of our own ---------------------------------------------------------------------


@pytest.fixture
def client(tmp_path: Path, clock: Clock, simulator: Simulator, app_secret: str) -> Iterator[FlaskClient]:
    with whole(tmp_path, clock, MiniProgram(APPID, app_secret, APPID), simulator.url) as client:
        yield client


@pytest.mark.parametrize(("seconds", "status"), [(0, 200), (60, 200), (61, 401)])
def test_a_repeat_is_answered_for_sixty_seconds_and_not_for_sixty_one(
    client: FlaskClient, clock: Clock, simulator: Simulator, seconds: int, status: int
) -> None:
    request = {"json": {"code": simulator.code("ning")}, "headers": {"Idempotency-Key": "to-the-second"}}
    first = client.post("/api/v1/auth/login", **request)
    assert first.status_code == 200
    clock.moment += seconds
    second = client.post("/api/v1/auth/login", **request)
    assert second.status_code == status
    if status == 200:
        assert sid(second.json["data"]["access_token"]) == sid(first.json["data"]["access_token"])
    else:
        assert second.json["error"] == "wx_code_used"
