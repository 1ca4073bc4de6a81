"""/auth/verify: what gateways ask before they let a request through, and deploy/nginx-auth-request.conf around it."""

import json
import random
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import requests

from tests.conftest import APPID
from tests.harness import signedin
from tests.harness.nginx import Nginx, skip_without_nginx
from tests.harness.service import Service
from tests.harness.signedin import Person
from tests.harness.simulator import Simulator

VERIFY = "/auth/verify"
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
KINDS: dict[str, Callable[[Service, Simulator, str], str]] = {
    "native": lambda service, simulator, user: signedin.native(service, simulator, user).access,
    "bearer": signedin.bearer,
    "code_message_data": signedin.code_message_data,
    "code_msg_data": signedin.code_msg_data,
    "success_data": signedin.success_data,
}


@pytest.fixture
def person(service: Service, simulator: Simulator) -> Person:
    return signedin.native(service, simulator, f"gateway-{random.randrange(10**12)}")


def told(answer: requests.Response) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name.startswith("X-Auth-")}


@pytest.mark.parametrize("method", METHODS)
def test_whoever_is_signed_in_is_named_whatever_the_method(service: Service, person: Person, method: str) -> None:
    answer = person.call(method, VERIFY)
    assert (answer.status_code, answer.content) == (204, b"")
    expected = {"X-Auth-User-Id": person.user_id, "X-Auth-Session-Id": person.sid, "X-Auth-Appid": APPID}
    assert told(answer) == expected and answer.headers["Cache-Control"] == "no-store"
    refused = service.call(method, VERIFY)
    assert (refused.status_code, refused.headers["WWW-Authenticate"], told(refused)) == (401, "Bearer", {})


@pytest.mark.parametrize("path", ["/", "/orders", "/orders/7?audience=other&x=%00", "/a//b", "/%2e%2e/x"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_envoy_appends_path_and_query_and_takes_only_200_for_a_yes(
    service: Service, person: Person, method: str, path: str
) -> None:
    answer = person.call(method, f"{VERIFY}{path}")
    assert (answer.status_code, told(answer)["X-Auth-User-Id"]) == (200, person.user_id)
    assert service.call(method, f"{VERIFY}{path}").status_code == 401


def test_a_body_that_comes_along_is_left_alone(person: Person) -> None:
    assert person.call("POST", VERIFY, data=b"{" * 5000).status_code == 204


@pytest.mark.parametrize("kind", KINDS)
def test_the_token_of_every_front_end_is_good_until_it_is_logged_out(
    service: Service, simulator: Simulator, kind: str
) -> None:
    token = KINDS[kind](service, simulator, f"gateway-{random.randrange(10**12)}")
    assert told(service.call("GET", VERIFY, token=token))["X-Auth-User-Id"] == signedin.claims(token)["sub"]
    service.call("POST", signedin.LOGOUT, token=token)
    answer = service.call("GET", VERIFY, token=token)
    assert (answer.status_code, told(answer)) == (401, {})


def test_a_token_for_another_audience_is_refused_where_one_is_asked_for(person: Person) -> None:
    statuses = {
        audience: person.call("GET", VERIFY, params={"audience": audience}).status_code
        for audience in (APPID, "", "other", APPID.upper(), f"{APPID} ")
    }
    assert statuses == {APPID: 204, "": 401, "other": 401, APPID.upper(): 401, f"{APPID} ": 401}


def test_a_disabled_user_is_not_let_in(service: Service, person: Person) -> None:
    connection = service.connect()
    connection.execute(f"UPDATE users SET status = 'disabled' WHERE id = {person.user_id}")
    connection.close()
    answer = person.call("GET", VERIFY)
    assert (answer.status_code, answer.json()["error"], told(answer)) == (403, "account_disabled", {})


# --- behind nginx --------------------------------------------------------------------------------------------------


class Shop:
    """Another service, which trusts its gateway: it answers what it was sent."""

    def __init__(self) -> None:
        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
                received = {"headers": self.headers.items(), "body": body, "line": f"{self.command} {self.path}"}
                text = json.dumps(received).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_POST = do_DELETE = answer

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    skip_without_nginx()
    made = Shop()
    yield made
    made.stop()


Guard = Callable[[int], str]


@pytest.fixture(scope="module")
def guarded(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guard]:
    """nginx as the recipe has it, asking an authsvc on a port; returns its address."""
    running = []

    def start(port: int) -> str:
        changes = {
            "127.0.0.1:8000": f"127.0.0.1:{port}",
            "127.0.0.1:5000": f"127.0.0.1:{shop.port}",
            "wx0123456789abcdef": APPID,
        }
        server = Nginx(tmp_path_factory.mktemp("guarded"), "nginx-auth-request.conf", changes)
        running.append(server.start())
        return server.url

    yield start
    for process in running:
        process.stop()


@pytest.fixture(scope="module")
def url(guarded: Guard, sqlite_service: Service) -> str:
    return guarded(sqlite_service.port)


def ask(
    url: str, token: str | None, method: str = "GET", path: str = "/orders?x=1", **options: Any
) -> requests.Response:
    headers = {**options.pop("headers", {}), **({"Authorization": f"Bearer {token}"} if token else {})}
    return requests.request(method, f"{url}{path}", headers=headers, timeout=10, **options)


FORGED = {"X-Auth-User-Id": "1", "x-auth-session-id": "s", "X-AUTH-APPID": "a", "X_Auth_User_Id": "1"}


@pytest.mark.parametrize("method, body", [("GET", ""), ("POST", "paid=1" * 100), ("DELETE", "")])
def test_the_service_behind_nginx_is_told_who_it_is_and_nothing_that_the_client_claims(
    url: str, person: Person, method: str, body: str
) -> None:
    answer = ask(url, person.access, method, data=body, headers=FORGED)
    assert answer.status_code == 200, answer.text
    received = answer.json()
    assert (received["line"], received["body"]) == (f"{method} /orders?x=1", body)
    named = sorted((name.lower(), value) for name, value in received["headers"] if "auth" in name.lower())
    assert named == [
        ("x-auth-appid", APPID),
        ("x-auth-session-id", person.sid),
        ("x-auth-user-id", person.user_id),
    ]


def test_nobody_else_reaches_it(url: str, service: Service, person: Person) -> None:
    altered = person.access[:-2] + ("BA" if person.access.endswith("AA") else "AA")
    for token in (None, "garbage", person.refresh, altered):
        answer = ask(url, token, headers=FORGED)
        assert (answer.status_code, answer.json()["error"]) == (401, "unauthenticated")
        assert answer.headers["WWW-Authenticate"] == "Bearer"
    # The address that nginx asks by is not there for clients.
    assert ask(url, person.access, path="/_signed_in").status_code == 404
    assert ask(url, person.access).status_code == 200
    person.call("POST", signedin.LOGOUT)
    assert ask(url, person.access).status_code == 401


def test_a_disabled_user_gets_no_further_than_nginx(url: str, service: Service, person: Person) -> None:
    connection = service.connect()
    connection.execute(f"UPDATE users SET status = 'disabled' WHERE id = {person.user_id}")
    connection.close()
    answer = ask(url, person.access)
    assert (answer.status_code, answer.json()["error"]) == (403, "account_disabled")


def test_while_authsvc_is_away_nobody_is_let_in(guarded: Guard, person: Person) -> None:
    answer = ask(guarded(1), person.access)
    assert (answer.status_code, answer.json()["action"], answer.headers["Retry-After"]) == (503, "retry", "2")
