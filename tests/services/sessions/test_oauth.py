"""Introspection (RFC 7662) and revocation (RFC 7009): who may ask, what they learn, and that nobody else does."""

import base64
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from authsvc.services.operator.credentials import ServiceCredentials
from authsvc.signing.keyfile import create_key_file
from tests.conftest import APPID
from tests.harness import signedin
from tests.harness.forging import Forger
from tests.harness.inprocess import beside
from tests.harness.leaks import Canaries
from tests.harness.service import ISSUER, Service
from tests.harness.signedin import Person
from tests.harness.simulator import Simulator

INTROSPECT, REVOKE = "/oauth/introspect", "/oauth/revoke"
BOTH = pytest.mark.parametrize("path", [INTROSPECT, REVOKE])
GRACE = 2
INACTIVE = {"active": False}


@pytest.fixture(scope="module")
def service(start_service: Callable[..., Service]) -> Service:
    """One that forgets quickly, so that a test need not wait long."""
    return start_service("oauth", workers=2, settings={"REFRESH_GRACE": str(GRACE)})


@pytest.fixture(scope="module")
def kept(service: Service) -> Iterator[ServiceCredentials]:
    """Where its credentials are kept."""
    with beside(service) as app:
        yield app.extensions["authsvc"].service_credentials


@pytest.fixture(scope="module")
def credentials(kept: ServiceCredentials, canaries: Canaries) -> dict[str, str]:
    """A credential for each thing, by what it is for."""
    scopes = {INTROSPECT: ("introspect",), REVOKE: ("revoke",), "other": ("access_token", "metrics")}
    made = {key: kept.add(f"service-{number}", scope) for number, (key, scope) in enumerate(scopes.items())}
    return {key: canaries.never(f"credential {key}", credential) for key, credential in made.items()}


@pytest.fixture
def person(service: Service, simulator: Simulator) -> Person:
    return signedin.native(service, simulator, f"oauth-{random.randrange(10**12)}")


Send = Callable[..., requests.Response]


@pytest.fixture
def send(service: Service, credentials: dict[str, str]) -> Send:
    def sent(path: str, token: str, **more: str) -> requests.Response:
        return service.call("POST", path, token=credentials[path], data={"token": token, **more})

    return sent


def introspected(send: Send, token: str, **more: str) -> dict[str, Any]:
    answer = send(INTROSPECT, token, **more)
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-store"), answer.text
    return dict(answer.json())


# --- introspection -------------------------------------------------------------------------------------------------


def test_an_access_token_is_told_with_the_claims_that_it_carries(send: Send, person: Person) -> None:
    claims = signedin.claims(person.access)
    assert introspected(send, person.access) == {
        "active": True,
        "token_type": "Bearer",
        "client_id": APPID,
        **{name: claims[name] for name in ("iss", "sub", "aud", "appid", "sid", "exp", "iat", "jti")},
    }
    assert claims["iss"] == ISSUER


def test_a_refresh_token_is_told_as_one_and_looking_does_not_use_it(send: Send, person: Person) -> None:
    expected = {
        "active": True,
        "token_type": "refresh_token",
        "iss": ISSUER,
        "sub": person.user_id,
        "client_id": APPID,
        "sid": person.sid,
    }
    for _ in range(3):
        assert introspected(send, person.refresh) == expected
    child = person.refreshed()
    assert introspected(send, child.refresh) == expected
    assert introspected(send, person.refresh) == expected, "within the grace it would still be answered"
    time.sleep(GRACE + 1.1)
    assert introspected(send, person.refresh) == INACTIVE
    assert introspected(send, child.refresh) == expected, "looking at an old one ends nothing"


@pytest.mark.parametrize("hint", ["access_token", "refresh_token", "nonsense", "", "x" * 300])
def test_a_hint_changes_nothing(send: Send, person: Person, hint: str) -> None:
    assert introspected(send, person.access, token_type_hint=hint)["token_type"] == "Bearer"
    assert introspected(send, person.refresh, token_type_hint=hint)["token_type"] == "refresh_token"


def test_the_only_token_of_another_front_end_is_told_too(send: Send, service: Service, simulator: Simulator) -> None:
    token = signedin.code_message_data(service, simulator, "oauth cloud")
    told = introspected(send, token)
    assert (told["active"], told["token_type"], told["jti"]) == (True, "Bearer", signedin.claims(token)["jti"])
    assert "openid" not in told and "nickname" not in told


@dataclass(frozen=True)
class Scene:
    """What a token that does not hold may be made of."""

    person: Person
    forger: Forger
    elsewhere: Forger


@pytest.fixture
def scene(service: Service, simulator: Simulator, person: Person, tmp_path: Path) -> Scene:
    create_key_file(tmp_path / "signing.json")
    keys = (service.folder / "instance" / "keys" / "signing.json", tmp_path / "signing.json")
    ours, foreign = (Forger(person.access, person.access, int(time.time()), key, None) for key in keys)  # type: ignore[arg-type]
    return Scene(person, ours, foreign)


def with_other_end(token: str) -> str:
    return token[:-2] + ("QQ" if token.endswith("AA") else "AA")


# Nothing of these may be told, not even which of them it was.
DEAD: dict[str, Callable[[Scene], str]] = {
    "garbage": lambda s: "garbage",
    "one character": lambda s: "a",
    "blanks": lambda s: "   ",
    "a NUL": lambda s: "\0",
    "an emoji": lambda s: "🙂",
    "10 KB": lambda s: "a" * 10_000,
    "three empty parts": lambda s: "..",
    "JSON": lambda s: '{"token": "x"}',
    "an access token with an altered signature": lambda s: with_other_end(s.person.access),
    "an access token cut short": lambda s: s.person.access.rpartition(".")[0],
    "an access token and a blank": lambda s: f"{s.person.access} ",
    "an expired access token": lambda s: s.forger.with_claims(exp=s.forger.now - 60),
    "an unsigned access token": lambda s: s.forger.with_header(lambda _: b"", alg="none"),
    "an access token of another issuer": lambda s: s.forger.with_claims(iss="https://login.example.org"),
    "an access token for another audience": lambda s: s.forger.with_claims(aud="wx51a051a000000001"),
    "an access token by a foreign key": lambda s: s.elsewhere.with_claims(),
    "an access token of a session that never was": lambda s: s.forger.with_claims(sid="A" * 22),
    "an access token with somebody else's subject": lambda s: s.forger.with_claims(sub="987654321"),
    "a refresh token with an altered mac": lambda s: with_other_end(s.person.refresh),
    "a refresh token with another counter": lambda s: s.person.refresh.replace(".0.", ".1."),
    "a refresh token of another session": lambda s: "A" * 22 + s.person.refresh[22:],
    "a session id": lambda s: s.person.sid,
}


@pytest.mark.parametrize("make", DEAD.values(), ids=DEAD.keys())
def test_what_does_not_hold_is_inactive_without_a_reason_and_revoking_it_ends_nothing(
    send: Send, scene: Scene, make: Callable[[Scene], str]
) -> None:
    token = make(scene)
    answers = [send(INTROSPECT, token), send(REVOKE, token)]
    assert [(answer.status_code, answer.json()) for answer in answers] == [(200, INACTIVE), (200, {})]
    plain = send(INTROSPECT, "garbage")
    hidden = {"Date", "X-Request-ID"}
    assert {*answers[0].headers.items()} ^ {*plain.headers.items()} <= {
        (name, answer.headers[name]) for answer in (plain, answers[0]) for name in hidden
    }
    assert introspected(send, scene.person.access)["active"] and introspected(send, scene.person.refresh)["active"]


ENDINGS = {
    "logged out": lambda s, p: p.call("POST", signedin.LOGOUT),
    "logged out everywhere": lambda s, p: p.call("POST", f"{signedin.LOGOUT}?scope=global"),
    "closed": lambda s, p: p.call("POST", "/api/v1/me/close"),
    "disabled": lambda s, p: write(s, f"UPDATE users SET status = 'disabled' WHERE id = {p.user_id}"),
    "idle too long": lambda s, p: write(s, f"UPDATE sessions SET idle_expires_at = 1 WHERE id = '{p.sid}'"),
    "erased": lambda s, p: write(s, f"DELETE FROM sessions WHERE id = '{p.sid}'"),
}


def write(service: Service, sql: str) -> None:
    connection = service.connect()
    connection.execute(sql)
    connection.close()


@pytest.mark.parametrize("end", ENDINGS.values(), ids=ENDINGS.keys())
def test_when_a_session_or_its_user_has_ended_both_tokens_are_inactive_at_once(
    send: Send, service: Service, person: Person, end: Callable[[Service, Person], object]
) -> None:
    assert introspected(send, person.access)["active"] and introspected(send, person.refresh)["active"]
    end(service, person)
    assert introspected(send, person.access) == introspected(send, person.refresh) == INACTIVE
    assert send(REVOKE, person.access).status_code == send(REVOKE, person.refresh).status_code == 200


# --- revocation ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["access", "refresh"])
def test_revoking_either_token_ends_the_session_and_no_other(
    send: Send, service: Service, simulator: Simulator, kind: str
) -> None:
    name = f"revoking {kind}"
    here, there = (signedin.native(service, simulator, name) for _ in range(2))
    for _ in range(2):  # a second time is no error either
        answer = send(REVOKE, getattr(here, kind))
        assert (answer.status_code, answer.json()) == (200, {})
    assert here.call("GET", "/api/v1/me").status_code == 401
    assert signedin.refreshed(service, here.refresh).status_code == 401
    assert introspected(send, here.access) == introspected(send, here.refresh) == INACTIVE
    assert there.call("GET", "/api/v1/me").status_code == 200
    assert service.rows(f"SELECT revoke_reason FROM sessions WHERE id = '{here.sid}'") == [("revoked",)]


def test_revoking_an_old_refresh_token_ends_its_session_too(send: Send, person: Person) -> None:
    child = person.refreshed()
    grandchild = child.refreshed()
    assert send(REVOKE, person.refresh, token_type_hint="access_token").status_code == 200
    assert introspected(send, grandchild.access) == INACTIVE


# --- who may ask ---------------------------------------------------------------------------------------------------


def basic(name: str, secret: str) -> str:
    return "Basic " + base64.b64encode(f"{name}:{secret}".encode()).decode()


@BOTH
def test_a_credential_comes_as_bearer_or_basic(
    service: Service, credentials: dict[str, str], canaries: Canaries, person: Person, path: str
) -> None:
    header = basic(*credentials[path].split("."))
    canaries.not_in_logs(f"basic header {path}", header.split()[1])
    for authorization in (header, f"Bearer {credentials[path]}", header.replace("Basic", "basic")):
        answer = service.call("POST", path, headers={"Authorization": authorization}, data={"token": "garbage"})
        assert answer.status_code == 200, authorization.split()[0]


@BOTH
def test_without_a_good_credential_nothing_is_told_and_nothing_ends(
    service: Service, send: Send, credentials: dict[str, str], person: Person, path: str
) -> None:
    own = credentials[path]
    name, secret = own.split(".")
    wrong = {
        "none": None,
        "a user's token": f"Bearer {person.access}",
        "a refresh token": f"Bearer {person.refresh}",
        "half a credential": f"Bearer {name}",
        "another name": f"Bearer other.{secret}",
        "altered": f"Bearer {own[:-2]}AA",
        "basic with the whole": basic(own, ""),
        "basic without secret": basic(name, ""),
        "basic, another's secret": basic(name, credentials["other"].split(".")[1]),
        "no base64": "Basic ???",
        "another scheme": f"Token {own}",
    }
    for what, authorization in wrong.items():
        headers = {"Authorization": authorization} if authorization else {}
        for token in (person.access, "garbage"):
            answer = service.call("POST", path, headers=headers, data={"token": token})
            assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client"), what
            assert answer.headers["WWW-Authenticate"] == 'Basic realm="authsvc", Bearer'
    in_form = {"token": person.access, "client_id": name, "client_secret": secret}
    assert service.call("POST", path, data=in_form).status_code == 401
    assert introspected(send, person.access)["active"]


@BOTH
def test_a_credential_for_something_else_is_not_enough(
    service: Service, send: Send, credentials: dict[str, str], person: Person, path: str
) -> None:
    other = REVOKE if path == INTROSPECT else INTROSPECT
    for name in ("other", other):
        answer = service.call("POST", path, token=credentials[name], data={"token": person.access})
        assert (answer.status_code, answer.json()) == (
            403,
            {"error": "insufficient_scope", "error_description": "You do not have permission for this"},
        )
    assert introspected(send, person.access)["active"]


def test_a_removed_credential_is_refused_from_the_next_request_on(
    service: Service, kept: ServiceCredentials, canaries: Canaries, person: Person
) -> None:
    made = canaries.never("credential gone", kept.add("gone", ("introspect",)))
    assert service.call("POST", INTROSPECT, token=made, data={"token": person.access}).json()["active"]
    kept.remove("gone")
    assert service.call("POST", INTROSPECT, token=made, data={"token": person.access}).status_code == 401


@BOTH
def test_where_no_credential_was_ever_made_the_answer_is_the_same(sqlite_service: Service, path: str) -> None:
    answer = sqlite_service.call("POST", path, data={"token": "garbage"})
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


# --- the form of a request -----------------------------------------------------------------------------------------

FORM = "application/x-www-form-urlencoded"
BAD_REQUESTS: dict[str, tuple[dict[str, Any], int]] = {
    "no body": ({}, 400),
    "an empty form": ({"data": b"", "headers": {"Content-Type": FORM}}, 400),
    "no token": ({"data": {"tokens": "x"}}, 400),
    "an empty token": ({"data": {"token": ""}}, 400),
    "the token twice": ({"data": [("token", "x"), ("token", "y")]}, 400),
    "the hint twice": ({"data": [("token", "x"), ("token_type_hint", "a"), ("token_type_hint", "b")]}, 400),
    "in the query": ({"params": {"token": "x"}, "data": {"other": "x"}}, 400),
    "as JSON": ({"json": {"token": "x"}}, 400),
    "multipart": ({"files": {"token": (None, "x")}}, 400),
    "no type": ({"data": b"token=x"}, 400),
    "compressed": ({"data": b"token=x", "headers": {"Content-Type": FORM, "Content-Encoding": "gzip"}}, 400),
    "over 16 KB": ({"data": {"token": "x" * 17_000}}, 413),
}


@BOTH
@pytest.mark.parametrize("case", BAD_REQUESTS.values(), ids=BAD_REQUESTS.keys())
def test_a_request_that_is_none_is_refused_as_the_rfc_says(
    service: Service, credentials: dict[str, str], path: str, case: tuple[dict[str, Any], int]
) -> None:
    options, status = case
    answer = service.call("POST", path, token=credentials[path], **options)
    assert (answer.status_code, answer.json()["error"]) == (status, "invalid_request"), answer.text
    assert set(answer.json()) == {"error", "error_description"} and answer.json()["error_description"].isascii()


@BOTH
@pytest.mark.parametrize("body", [b"token=%ff%fe", b"token=\xff\xfe", b"token=%", b"token=a;b", b"token=x&&=&y"])
def test_a_form_of_any_bytes_is_a_token_that_does_not_hold(
    service: Service, credentials: dict[str, str], path: str, body: bytes
) -> None:
    answer = service.call("POST", path, token=credentials[path], data=body, headers={"Content-Type": FORM})
    assert (answer.status_code, answer.json()) == (200, INACTIVE if path == INTROSPECT else {})


@BOTH
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_only_post_is_answered(service: Service, credentials: dict[str, str], path: str, method: str) -> None:
    answer = service.call(method, path, token=credentials[path], params={"token": "x"})
    assert (answer.status_code, answer.json()["error"]) == (405, "invalid_request")
    assert "POST" in answer.headers["Allow"]


@BOTH
def test_while_the_database_fails_nothing_is_said_about_a_token(
    service: Service, send: Send, person: Person, path: str
) -> None:
    write(service, "ALTER TABLE sessions RENAME TO hidden")
    try:
        for token in (person.access, person.refresh):
            answer = send(path, token)
            # No waiting cures a table that is missing: nobody is told to come again in a moment.
            assert (answer.status_code, answer.json()["error"]) == (500, "server_error"), answer.text
    finally:
        write(service, "ALTER TABLE hidden RENAME TO sessions")
    assert introspected(send, person.access)["active"]
