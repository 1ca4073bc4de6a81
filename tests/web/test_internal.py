"""The access_token for other services: who gets it, that it is one for all, and that it stays out of sight."""

import base64
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import APPID
from tests.harness.leaks import Canaries
from tests.harness.redisserver import RedisServer
from tests.harness.service import Service
from tests.harness.simulator import Simulator

ROUTE, REJECTED = "/internal/v1/access_token", "/internal/v1/access_token/rejected"
STABLE = "/cgi-bin/stable_token"


@pytest.fixture(scope="module")
def wechat(own_simulator: Simulator) -> Simulator:
    return own_simulator


@pytest.fixture(scope="module")
def alone(start_service: Callable[..., Service], wechat: Simulator) -> Service:
    """One service with its store in a file."""
    return start_service("internal", wechat=wechat.url, workers=2)


def credential(service: Service, canaries: Canaries, name: str, *options: str) -> str:
    made = service.flask("authsvc", "services", "add", name, *options, shows_secret=True).strip()
    return canaries.never(f"credential {name}", made)


def ask(service: Service, token: str | None, appid: str | None = None) -> tuple[int, str]:
    query = {} if appid is None else {"appid": appid}
    reply = service.call("GET", ROUTE, token=token, params=query)
    return reply.status_code, reply.json().get("access_token") or reply.json()["error"]


@pytest.mark.slow
def test_the_life_of_a_credential(alone: Service, wechat: Simulator, canaries: Canaries) -> None:
    assert ask(alone, None) == ask(alone, "billing.x") == (404, "not_found")
    assert alone.call("POST", REJECTED, json={}).status_code == 404
    # What verifying services are configured with exists all the time.
    for method, path in (("POST", "/oauth/introspect"), ("POST", "/oauth/revoke"), ("GET", "/oauth/revocations")):
        assert alone.call(method, path, token="billing.x").json()["error"] == "invalid_client"

    billing = credential(alone, canaries, "billing")
    assert re.fullmatch(r"billing\.[A-Za-z0-9_-]{43}", billing)
    status, token = ask(alone, billing)
    assert (status, token) == (200, wechat.tokens()["access_token"])
    assert ask(alone, billing, APPID) == (200, token)
    assert ask(alone, billing, "wxba5fad812f8e6fb9") == (400, "unknown_app")
    assert ask(alone, billing, "nonsense") == (400, "invalid_request")

    wrong = [
        None,
        "billing",
        "billing.",
        billing[:-1],
        billing + "=",
        "other." + billing.split(".")[1],
        billing.upper(),
    ]
    assert {ask(alone, text) for text in wrong} == {(401, "unauthenticated")}

    printed = alone.flask("authsvc", "services", "list")
    assert printed.splitlines()[1].startswith("billing  access_token  20") and billing.split(".")[1] not in printed
    assert alone.rows("SELECT COUNT(*) FROM service_credentials") == [(1,)]
    assert billing.split(".")[1] not in str(alone.rows("SELECT * FROM service_credentials"))
    assert "there is already a credential billing" in alone.flask("authsvc", "services", "add", "billing", fails=True)
    assert "a-z" in alone.flask("authsvc", "services", "add", "Bad.Name", fails=True)

    assert alone.flask("authsvc", "services", "remove", "--yes", "billing") == "removed  billing\n"
    assert "there is no credential" in alone.flask("authsvc", "services", "remove", "--yes", "billing", fails=True)
    assert ask(alone, billing) == (404, "not_found")


def test_the_answer_is_wechats_two_members_and_nobody_may_keep_it(
    alone: Service, wechat: Simulator, canaries: Canaries
) -> None:
    reply = alone.call("GET", ROUTE, token=credential(alone, canaries, "shape"))
    assert set(reply.json()) == {"access_token", "expires_in"}
    assert 0 < reply.json()["expires_in"] <= 7200
    assert reply.headers["Cache-Control"] == "no-store"


def test_basic_authentication_works_too(alone: Service, canaries: Canaries) -> None:
    name, secret = credential(alone, canaries, "basic").split(".")
    header = "Basic " + base64.b64encode(f"{name}:{secret}".encode()).decode()
    canaries.not_in_logs("basic header", header.split()[1])
    assert alone.call("GET", ROUTE, headers={"Authorization": header}).status_code == 200
    assert alone.call("GET", ROUTE, headers={"Authorization": "Basic ?"}).status_code == 401


def test_a_credential_for_something_else_is_not_enough(alone: Service, canaries: Canaries) -> None:
    other = credential(alone, canaries, "other", "--scope", "introspect")
    assert ask(alone, other) == (403, "forbidden")


def test_a_user_s_token_opens_nothing_here(alone: Service, wechat: Simulator, canaries: Canaries) -> None:
    credential(alone, canaries, "someone")
    user = alone.call("POST", "/api/v1/auth/login", json={"code": wechat.code("lan")}).json()["data"]["access_token"]
    assert ask(alone, user) == (401, "unauthenticated")


def test_a_rejected_token_is_replaced_for_all_services(alone: Service, wechat: Simulator, canaries: Canaries) -> None:
    mine = credential(alone, canaries, "reporter")
    old = ask(alone, mine)[1]
    wechat.kill_token()
    wechat.call("DELETE", "/control/journal")
    fresh = {
        alone.call("POST", REJECTED, token=mine, json={"appid": APPID, "access_token": old}).json()["access_token"]
        for _ in range(5)
    }
    assert fresh == {wechat.tokens()["access_token"]} != {old}
    assert len(wechat.journal(path=STABLE)) == 1
    assert alone.call("POST", REJECTED, token=mine, json={"access_token": "70_\n"}).status_code == 400
    assert alone.call("POST", REJECTED, token=mine, json={}).json()["error"] == "invalid_request"


@pytest.mark.slow
def test_the_command_line_tells_about_the_token_but_not_the_token(alone: Service, wechat: Simulator) -> None:
    wechat.call("POST", "/control/reset")
    printed = alone.flask("authsvc", "token", "refresh")
    assert re.fullmatch(r"fetched     [01] s ago, from stable_token\nexpires in  7(199|200) s\n", printed)
    printed += alone.flask("authsvc", "token", "show", "--appid", APPID)
    wechat.fault({"kind": "errcode", "errcode": 40125}, path=STABLE)
    failed = alone.flask("authsvc", "token", "refresh", fails=True)
    assert "wx_misconfigured" in failed and "40125" in failed
    shown = alone.flask("authsvc", "token", "show")
    assert "last fetch  failed" in shown and "fetched " in shown
    assert wechat.tokens()["access_token"] not in printed + failed + shown
    assert "unknown_app" in alone.flask("authsvc", "token", "show", "--appid", "wxba5fad812f8e6fb9", fails=True)


@pytest.fixture(scope="module")
def server(run_folder: Path) -> Iterator[RedisServer]:
    folder = run_folder / "internal-redis"
    folder.mkdir()
    made = RedisServer(folder)
    yield made
    made.stop()


@pytest.mark.slow
def test_three_services_on_redis_behave_as_one_and_logins_go_on_without_it(
    start_service: Callable[..., Service], wechat: Simulator, canaries: Canaries, server: RedisServer
) -> None:
    wechat.call("POST", "/control/reset")
    settings = {"REDIS_URL": server.url}
    trio = [start_service(f"machine-{n}", wechat=wechat.url, workers=1, settings=settings) for n in range(3)]
    credentials = [credential(service, canaries, "billing") for service in trio]
    both = list(zip(trio, credentials, strict=True))
    assert {ask(service, mine) for service, mine in both} == {(200, wechat.tokens()["access_token"])}
    assert len(wechat.journal(path=STABLE)) == 1

    old = wechat.tokens()["access_token"]
    wechat.kill_token()
    for service, mine in both:
        assert service.call("POST", REJECTED, token=mine, json={"access_token": old}).status_code == 200
    new = wechat.tokens()["access_token"]
    time.sleep(1.1)
    assert {ask(service, mine) for service, mine in both} == {(200, new)}
    assert len(wechat.journal(path=STABLE)) == 2

    server.stop()
    for number, (service, mine) in enumerate(both):
        login = service.call("POST", "/api/v1/auth/login", json={"code": wechat.code(f"away-{number}")})
        assert login.status_code == 200 and login.elapsed.total_seconds() < 1
        assert ask(service, mine) == (200, new)
    server.start()
    give_up = time.monotonic() + 10
    while not server.client.keys("*:access_token") and time.monotonic() < give_up:
        assert {ask(service, mine) for service, mine in both} == {(200, new)}
        time.sleep(0.2)
    assert server.client.keys("*:access_token")
    assert len(wechat.journal(path=STABLE)) == 2
