"""Changing the signing key while everybody works: no restart, and no verifier that meets a key it does not know."""

import json
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator

import jwt
import pytest
import requests
from flask.testing import FlaskCliRunner

from authsvc.cli.keys import keys
from authsvc.clock import SystemClock
from authsvc.services.operator.signingkeys import SigningKeys
from authsvc.signing.keyring import LOOK_SECONDS
from tests.conftest import APPID
from tests.harness import signedin
from tests.harness.inprocess import beside
from tests.harness.service import ISSUER, Service
from tests.harness.simulator import Simulator
from tests.harness.verifier import Verifier
from tests.harness.waiting import wait_until

pytestmark = pytest.mark.slow

JWKS = "/.well-known/jwks.json"
MAX_AGE = 1
ROTATIONS = 5
# Longer for a run by hand: 12 makes it five changes in a minute.
SECONDS_PER_KEY = float(os.environ.get("AUTHSVC_TEST_SECONDS_PER_KEY", "0"))


@pytest.fixture(scope="module")
def service(start_service: Callable[..., Service]) -> Service:
    return start_service("keys", workers=4, settings={"JWKS_MAX_AGE": str(MAX_AGE), "JWT_ACCESS_TOKEN_EXPIRES": "300"})


@pytest.fixture(scope="module")
def operator(service: Service) -> Iterator[SigningKeys]:
    with beside(service) as app:
        yield app.extensions["authsvc"].signing_keys


class Later(SystemClock):
    """The wall clock of an operator who comes back weeks later."""

    later = 0.0

    def now(self) -> float:
        return super().now() + self.later


@pytest.fixture
def clock() -> Later:
    return Later()


@pytest.fixture
def runner(service: Service, clock: Later) -> Iterator[FlaskCliRunner]:
    with beside(service, clock) as app:
        yield app.test_cli_runner()


@pytest.fixture
def verifier(service: Service) -> Iterator[Verifier]:
    made = Verifier(service.url + JWKS, ISSUER, APPID, MAX_AGE)
    yield made
    made.stop()


class Load:
    """People who refresh all the time; every token is verified by the other process as soon as it is there."""

    def __init__(self, service: Service, simulator: Simulator, verifier: Verifier) -> None:
        self._service = service
        self._verifier = verifier
        self.tokens: list[str] = []
        self.verdicts: Counter[str] = Counter()
        self._stop = threading.Event()
        self._lock = threading.Lock()
        tickets = [signedin.native(service, simulator, f"load-{number}").refresh for number in range(3)]
        self._threads = [threading.Thread(target=self._work, args=(ticket,)) for ticket in tickets]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _work(self, ticket: str) -> None:
        with requests.Session() as http:
            while not self._stop.wait(0.01):
                answer = http.post(
                    self._service.url + signedin.REFRESH, json={"refresh_token": ticket}, timeout=20
                ).json()["data"]
                ticket = answer["refresh_token"]
                me = http.get(
                    self._service.url + "/api/v1/me",
                    headers={"Authorization": f"Bearer {answer['access_token']}"},
                    timeout=20,
                )
                with self._lock:
                    self.tokens.append(answer["access_token"])
                    self.verdicts[self._verifier.verdict(answer["access_token"])] += 1
                    self.verdicts[f"here {me.status_code}"] += 1


def published(service: Service) -> list[str]:
    return [key["kid"] for key in requests.get(service.url + JWKS, timeout=10).json()["keys"]]


def signing_kid(token: str) -> str:
    return str(jwt.get_unverified_header(token)["kid"])


def test_five_changes_of_the_key_under_load_and_no_token_fails(
    service: Service,
    simulator: Simulator,
    operator: SigningKeys,
    verifier: Verifier,
    figures: Callable[[str], None],
) -> None:
    kids = published(service)
    began = time.monotonic()
    with Load(service, simulator, verifier) as load:
        for _ in range(ROTATIONS):
            kids.append(operator.add())
            time.sleep(max(MAX_AGE + LOOK_SECONDS, SECONDS_PER_KEY))
            assert published(service) == kids
            assert operator.activate(None) == kids[-1]
            # The one before it has not gone, and whatever worker answers shows both.
            assert {kid for _ in range(8) for kid in published(service)} == set(kids)
        time.sleep(LOOK_SECONDS + 0.5)
    seconds = time.monotonic() - began
    again = Counter(verifier.verdict(token) for token in load.tokens)
    by_kid = {kid: count for kid, count in load.verdicts.items() if not kid.startswith("here ")}
    figures(
        f"signing key changed {ROTATIONS} times in {seconds:.0f} s: {len(load.tokens)} tokens by {len(by_kid)} keys,"
        f" {len(load.tokens) - sum(by_kid.get(kid, 0) for kid in kids)} refused elsewhere,"
        f" {len(load.tokens) - load.verdicts['here 200']} here"
    )
    assert set(by_kid) == set(kids) and min(by_kid.values()) > 0
    assert load.verdicts["here 200"] == len(load.tokens)
    assert set(again) == set(kids), "old tokens live until they expire"


def test_a_key_that_signs_at_once_is_met_by_verifiers_that_do_not_know_it(
    service: Service, simulator: Simulator, operator: SigningKeys
) -> None:
    """The broken twin of the change above: without the wait, tokens fail elsewhere, though never here."""
    slow = Verifier(service.url + JWKS, ISSUER, APPID, 300)
    ticket = signedin.native(service, simulator, "twin")
    assert slow.verdict(ticket.access) == signing_kid(ticket.access)
    kid = operator.add()
    operator.activate(kid, at_once=True)

    def by_the_new_key() -> str | None:
        token = signedin.native(service, simulator, "twin").access
        assert service.call("GET", "/api/v1/me", token=token).status_code == 200
        return token if signing_kid(token) == kid else None

    wait_until(by_the_new_key, LOOK_SECONDS + 5)
    assert slow.verdict(by_the_new_key() or "") == "PyJWKClientError"
    slow.stop()


def test_a_second_service_on_the_same_folder_follows_too(
    service: Service, simulator: Simulator, operator: SigningKeys, start_briefly: Callable[..., Service]
) -> None:
    shared = {name: service.environment[name] for name in ("INSTANCE_PATH", "SECRET_KEYS")}
    other = start_briefly("keys-beside", workers=1, migrated=False, settings=shared)
    kid = operator.add()
    wait_until(lambda: all(kid in published(machine) for machine in (service, other) for _ in range(6)))
    operator.activate(kid, at_once=True)
    time.sleep(LOOK_SECONDS + 0.2)
    for machine, verifying in ((service, other), (other, service)):
        token = signedin.native(machine, simulator, "beside").access
        assert signing_kid(token) == kid
        assert verifying.call("GET", "/api/v1/me", token=token).status_code == 200


def test_the_command_line_takes_each_step_in_its_time_and_says_what_it_did(
    service: Service, simulator: Simulator, runner: FlaskCliRunner, clock: Later
) -> None:
    def run(*arguments: str, code: int = 0) -> str:
        done = runner.invoke(keys, arguments)
        assert done.exit_code == code, done.output
        return done.output

    person = signedin.native(service, simulator, "keeper")
    first = signing_kid(person.access)
    second = run("new").split()[1]
    assert f"Error: {second}: some verifiers may not have seen it yet; wait until 20" in run("activate", code=75)
    clock.later += MAX_AGE + LOOK_SECONDS
    assert run("activate") == f"signing  {second}\n"
    assert "tokens signed with it may still be in use; wait until 20" in run("retire", "--yes", first[:20], code=75)
    time.sleep(LOOK_SECONDS + 0.2)
    fresh = person.refreshed()
    assert signing_kid(fresh.access) == second
    assert person.call("GET", "/api/v1/me").status_code == 200

    lines = dict(line.split(maxsplit=1) for line in run("list").splitlines())
    assert lines[first].split()[0] == "former" and lines[first].split()[2:4] == ["retire", "from"]
    assert lines[second].split()[0] == "signing" and len(lines[second].split()) == 2
    (listed,) = [entry for entry in json.loads(run("list", "--json")) if entry["kid"] == first]
    clock.later = listed["ready_at"] - time.time() + 1
    assert run("retire", "--yes", first[:20]) == f"retired  {first}\n"
    time.sleep(LOOK_SECONDS + 0.2)
    assert {kid for _ in range(8) for kid in published(service)} == set(lines) - {first, "key"}
    assert person.call("GET", "/api/v1/me").status_code == 401
    assert fresh.call("GET", "/api/v1/me").status_code == 200

    assert "there is no published key" in run("activate", code=1)
    assert "is the signing key; activate another key first" in run("retire", "--yes", second, "--now", code=1)
    assert "there is no key -A…" in run("retire", "--yes", "-A", code=1), "every 64th key begins so"
    only = run("export", second, "--pem")
    assert jwt.decode(fresh.access, only, ["ES256"], audience=APPID)["sid"] == person.sid
    assert json.loads(run("export")) == service.call("GET", JWKS).json()
    assert run("export", "--pem").count("BEGIN PUBLIC KEY") == len(lines) - 2
    assert service.rows("SELECT event, detail FROM audit_events ORDER BY id DESC LIMIT 3") == [
        ("key_retire", first),
        ("key_activate", second),
        ("key_new", second),
    ]


def test_the_shell_finds_the_commands(service: Service) -> None:
    assert "signing" in service.flask("authsvc", "keys", "list")
