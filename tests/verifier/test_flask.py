"""The guard for views of a Flask service."""

from collections.abc import Iterator

import pytest
from flask import Flask, g
from flask.testing import FlaskClient

from authsvc_verifier.flask import token_required
from tests.harness.inprocess import Clock
from tests.harness.publisher import SESSION, Publisher

CREDENTIAL = "orders." + "c" * 43


@pytest.fixture
def client(publisher: Publisher) -> Iterator[FlaskClient]:
    verifier = publisher.verifier(credential=CREDENTIAL)
    app = Flask("orders")

    @app.get("/orders/<name>")
    @token_required(verifier)
    def orders(name: str) -> dict[str, str]:
        """Orders."""
        return {"name": name, "user": g.claims.user_id}

    assert orders.__doc__ == "Orders."
    yield app.test_client()
    verifier.close()


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER "])
def test_a_good_token_opens_the_view(client: FlaskClient, publisher: Publisher, scheme: str) -> None:
    answer = client.get("/orders/a", headers={"Authorization": f"{scheme} {publisher.token()}"})
    assert (answer.status_code, answer.json) == (200, {"name": "a", "user": "7"})


@pytest.mark.parametrize("given", [None, "", "Basic abc", "Bearer", "Bearer a b"])
def test_without_a_token_it_says_which_kind_it_wants(client: FlaskClient, given: str | None) -> None:
    answer = client.get("/orders/a", headers={} if given is None else {"Authorization": given})
    assert (answer.status_code, answer.json) == (401, {"error": "unauthorized"})
    assert (answer.headers["WWW-Authenticate"], answer.headers["Cache-Control"]) == ("Bearer", "no-store")


def test_every_refusal_looks_the_same(client: FlaskClient, publisher: Publisher, clock: Clock) -> None:
    publisher.feed = {"sessions": SESSION[:11]}
    for token in ("rubbish", publisher.token(exp=int(clock.now()) - 60), publisher.token(aud="x"), publisher.token()):
        answer = client.get("/orders/a", headers={"Authorization": f"Bearer {token}"})
        assert (answer.status_code, answer.json) == (401, {"error": "invalid_token"})
        assert answer.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'


def test_what_cannot_be_judged_is_not_let_in(client: FlaskClient, publisher: Publisher) -> None:
    publisher.answers["/oauth/revocations"] = lambda _: (503, {}, b"")
    answer = client.get("/orders/a", headers={"Authorization": f"Bearer {publisher.token()}"})
    assert (answer.status_code, answer.json) == (503, {"error": "temporarily_unavailable"})
    assert answer.headers["Retry-After"] == "5" and "WWW-Authenticate" not in answer.headers
