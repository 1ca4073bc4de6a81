"""What other services rely on: the published keys, the metadata, and libraries that know nothing but their address."""

import json
import re
from typing import Any

import pytest
import requests
from joserfc import jwt as joserfc_jwt
from joserfc.jwk import KeySet

from tests.conftest import APPID
from tests.harness import node
from tests.harness.forging import b64, flipped, thumbprint, unb64
from tests.harness.service import ISSUER, Service
from tests.harness.simulator import Simulator

JWKS = "/.well-known/jwks.json"
CONFIGURATION = "/.well-known/openid-configuration"
PRIVATE_MEMBERS = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}


@pytest.fixture
def token(simulator: Simulator, service: Service) -> str:
    reply = service.call("POST", "/api/v1/auth/login", json={"code": simulator.code("verified")})
    found: str = reply.json()["data"]["access_token"]
    return found


def altered(token: str) -> str:
    header, payload, signature = token.split(".")
    return f"{header}.{payload}.{b64(flipped(unb64(signature), 5))}"


def test_node_verifies_a_token_from_the_address_of_the_keys_alone(service: Service, token: str) -> None:
    given = {"jwks_uri": service.url + JWKS, "issuer": ISSUER, "audience": APPID, "tokens": [token, altered(token)]}
    accepted, refused = node.run("verify.mjs", given, folder=node.VERIFIER)
    assert accepted["claims"]["appid"] == APPID and isinstance(accepted["claims"]["sub"], str)
    assert refused == {"refused": "ERR_JWS_SIGNATURE_VERIFICATION_FAILED"}


@pytest.mark.parametrize("expected", [{"audience": "wx51a051a000000001"}, {"issuer": "https://other.example.test"}])
def test_node_refuses_a_token_that_is_not_for_it(service: Service, token: str, expected: dict[str, str]) -> None:
    given = {"jwks_uri": service.url + JWKS, "issuer": ISSUER, "audience": APPID, "tokens": [token], **expected}
    assert node.run("verify.mjs", given, folder=node.VERIFIER) == [{"refused": "ERR_JWT_CLAIM_VALIDATION_FAILED"}]


def test_joserfc_verifies_a_token_from_the_published_keys(service: Service, token: str) -> None:
    keys = KeySet.import_key_set(service.call("GET", JWKS).json())
    verified = joserfc_jwt.decode(token, keys, algorithms=["ES256"])
    assert verified.header["typ"] == "at+jwt"
    joserfc_jwt.JWTClaimsRegistry(
        iss={"essential": True, "value": ISSUER}, aud={"essential": True, "value": APPID}
    ).validate(verified.claims)


def test_a_token_holds_what_verifiers_need_and_nothing_else(service: Service, token: str) -> None:
    header, claims = (json.loads(unb64(part)) for part in token.split(".")[:2])
    assert header == {"alg": "ES256", "typ": "at+jwt", "kid": header["kid"]}
    assert set(claims) == {"iss", "aud", "sub", "iat", "exp", "jti", "sid", "appid"}
    assert (claims["iss"], claims["aud"], claims["appid"]) == (ISSUER, APPID, APPID)
    assert re.fullmatch(r"[1-9][0-9]*", claims["sub"]) and claims["exp"] - claims["iat"] == 900
    assert all(type(claims[name]) is int for name in ("iat", "exp"))


def test_the_key_set_shows_public_members_only_and_names_keys_by_their_thumbprint(service: Service, token: str) -> None:
    keys: list[dict[str, Any]] = service.call("GET", JWKS).json()["keys"]
    for key in keys:
        assert set(key) == {"kty", "crv", "x", "y", "kid", "use", "alg"}
        assert not PRIVATE_MEMBERS & set(key)
        assert (key["kty"], key["crv"], key["use"], key["alg"]) == ("EC", "P-256", "sig", "ES256")
        assert key["kid"] == thumbprint(key)
    assert len({key["kid"] for key in keys}) == len(keys)
    assert json.loads(unb64(token.split(".")[0]))["kid"] in {key["kid"] for key in keys}


@pytest.mark.parametrize("path", [JWKS, CONFIGURATION, "/openapi.json"])
def test_what_is_published_is_sent_once_to_whoever_keeps_it(service: Service, path: str) -> None:
    first = service.call("GET", path)
    known = {"If-None-Match": first.headers["ETag"]}
    again = service.call("GET", path, headers=known)
    assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", first.headers["ETag"])
    assert again.headers["Cache-Control"] == first.headers["Cache-Control"]
    assert service.call("GET", path, headers={"If-None-Match": '"other"'}).content == first.content
    assert service.call("HEAD", path).headers["ETag"] == first.headers["ETag"]


@pytest.mark.parametrize("path", [JWKS, CONFIGURATION])
def test_what_is_published_may_be_cached_for_minutes(service: Service, path: str) -> None:
    answer = service.call("GET", path)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")
    assert answer.headers["Cache-Control"] == "public, max-age=300"
    assert "Set-Cookie" not in answer.headers and answer.headers["X-Content-Type-Options"] == "nosniff"


def test_the_metadata_is_true(service: Service, token: str) -> None:
    metadata = service.call("GET", CONFIGURATION).json()
    header, claims = (json.loads(unb64(part)) for part in token.split(".")[:2])
    assert metadata["issuer"] == ISSUER == claims["iss"]
    # The address is the public one; under it lies what this instance serves at the same path.
    assert metadata["jwks_uri"] == ISSUER + JWKS
    assert service.call("GET", metadata["jwks_uri"].removeprefix(ISSUER)).json()["keys"][0]["kid"] == header["kid"]
    assert metadata["id_token_signing_alg_values_supported"] == [header["alg"]]
    # Nothing that we do not do: no address in it but those above and these, which want a service's credential.
    addresses = {name for name, value in metadata.items() if isinstance(value, str) and value.startswith("http")}
    asked = {"introspection_endpoint", "revocation_endpoint"}
    assert addresses == {"issuer", "jwks_uri"} | asked
    for name in asked:
        challenged = service.call("POST", metadata[name].removeprefix(ISSUER), data={"token": "x"})
        assert challenged.status_code == 401 and challenged.headers["WWW-Authenticate"].startswith("Basic ")
        assert metadata[f"{name}_auth_methods_supported"] == ["client_secret_basic"]
    assert metadata["response_types_supported"] == metadata["grant_types_supported"] == []


def test_all_workers_publish_the_same_keys(service: Service) -> None:
    answers = {requests.get(service.url + JWKS, timeout=10).text for _ in range(20)}  # each on a connection of its own
    assert len(answers) == 1


def test_the_pinned_node_packages_come_from_wherever_the_reader_gets_packages() -> None:
    """A lock file that names a registry's host works on the machine that wrote it, and perhaps nowhere else."""
    locked = json.loads((node.VERIFIER / "package-lock.json").read_text())["packages"]
    assert [path for path, entry in locked.items() if "resolved" in entry] == []
    assert all(entry["integrity"].startswith("sha512-") for path, entry in locked.items() if path)
    wanted = json.loads((node.VERIFIER / "package.json").read_text())["dependencies"]
    assert wanted == {"jose": locked["node_modules/jose"]["version"]}
