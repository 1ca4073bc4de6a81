"""The OpenAPI document against its own standard, against the routes, and against what the service really answers."""

import re
from collections.abc import Callable
from typing import Any

import pytest
import requests
from openapi_schema_validator import OAS31Validator, oas31_format_checker
from openapi_spec_validator import OpenAPIV31SpecValidator

from authsvc.errors import error_kinds
from tests.harness.service import ISSUER, Service
from tests.harness.simulator import Simulator

Document = dict[str, Any]


@pytest.fixture(scope="module")
def document(sqlite_service: Service) -> Document:
    answer = sqlite_service.call("GET", "/openapi.json")
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "public, max-age=300")
    found: Document = answer.json()
    return found


def operations(document: Document) -> dict[tuple[str, str], Document]:
    return {
        (method.upper(), path): operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


def test_the_document_is_valid_openapi_3_1(document: Document) -> None:
    assert document["openapi"] == "3.1.0"
    assert [error.message for error in OpenAPIV31SpecValidator(document).iter_errors()] == []


def test_every_route_is_described_and_nothing_else(document: Document, sqlite_service: Service) -> None:
    listed = set()
    for line in sqlite_service.flask("routes").splitlines():
        if match := re.search(r"\s{2,}([A-Z, ]+?)\s{2,}(/\S*)\s*$", line):
            path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", match[2])
            listed |= {(method, path) for method in match[1].split(", ") if method not in ("HEAD", "OPTIONS")}
    assert len(listed) >= 8
    # Pages of the console are for people alone.
    assert set(operations(document)) == {route for route in listed if not route[1].startswith("/console")}


def schema_name(operation: Document, status: str) -> str:
    reference: str = operation["responses"][status]["content"]["application/json"]["schema"]["$ref"]
    return reference.rpartition("/")[2]


SHAPES = {
    ("POST", "/api/v1/auth/login"): ("native", "NativeLogin", "NativeLoginAnswer", "NativeError"),
    ("POST", "/user/wxlogin"): ("code_msg_data", "WxLogin", "WxLoginAnswer", "CodeMsgDataError"),
    ("GET", "/api/v1/user/profile"): ("code_message_data", None, "CloudUserAnswer", "CodeMessageDataError"),
}


@pytest.mark.parametrize("route, shape", SHAPES.items(), ids=str)
def test_each_contract_stands_under_its_own_shapes(document: Document, route: tuple[str, str], shape: tuple) -> None:
    contract, body, answer, refusal = shape
    operation = operations(document)[route]
    assert contract in operation["tags"]
    if body is None:
        assert "requestBody" not in operation and operation["security"] == [{"bearer": []}]
    else:
        reference = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"]
        assert reference == f"#/components/schemas/{body}" and operation["security"] == [{}]
    refusals = {status for status in operation["responses"] if status not in ("200", "414")}
    assert {"401", "403", "500", "503"} <= refusals
    assert schema_name(operation, "200") == answer
    assert {schema_name(operation, status) for status in refusals} == {refusal}


def test_bodies_are_closed_and_only_wechats_own_data_is_open(document: Document) -> None:
    schemas = document["components"]["schemas"]
    loose = {name for name, schema in schemas.items() if schema["additionalProperties"] is not False}
    assert loose == {"WxLoginData", "Document", "TokenForm", "DetailError"}


def test_every_operation_has_a_name_a_description_and_examples_that_fit(document: Document) -> None:
    names = [operation["operationId"] for operation in operations(document).values()]
    assert len(set(names)) == len(names) and "postApiV1AuthLogin" in names
    assert document["servers"] == [{"url": ISSUER}]
    for (method, path), operation in operations(document).items():
        assert operation["description"].startswith(operation["summary"]), (method, path)
        contents = [operation.get("requestBody", {}), *operation["responses"].values()]
        for media, content in (pair for one in contents for pair in one.get("content", {}).items()):
            if media in ("application/json", "application/x-www-form-urlencoded") and "schema" in content:
                if "example" not in content and method == "POST" and path.startswith("/wechat/push"):
                    continue  # WeChat's own text
                schema = {**content["schema"], "components": document["components"]}
                found = [error.message for error in OAS31Validator(schema).iter_errors(content["example"])]
                assert found == [], (method, path, content["example"])
                assert "text" not in str(content["example"]).split("'"), (method, path, content["example"])
        for parameter in operation["parameters"]:
            fits = OAS31Validator(parameter["schema"]).is_valid(parameter.get("example", "x"))
            assert parameter["description"] and fits, (method, path, parameter)


def test_errors_are_an_enumeration_of_what_the_service_can_say(document: Document) -> None:
    listed = document["components"]["schemas"]["NativeError"]["properties"]["error"]["enum"]
    assert listed == sorted(set(listed)) and {"unauthenticated", "invalid_request", "internal_error"} <= set(listed)
    assert listed == [kind.error for kind in error_kinds()]


def test_what_a_view_reads_by_itself_is_described(document: Document) -> None:
    upload = operations(document)[("POST", "/api/v1/me/avatar")]
    assert upload["requestBody"]["content"]["multipart/form-data"]["schema"]["required"] == ["file"]
    assert {"400", "409", "413"} <= set(upload["responses"])
    off = [("POST", "/api/v1/scan-sign-ins/poll"), ("POST", "/wechat/push"), ("DELETE", "/api/v1/me/phone")]
    assert all("404" in operations(document)[route]["responses"] for route in off)
    assert "414" in operations(document)[("GET", "/wx/login")]["responses"]


Call = Callable[[Service, Simulator], requests.Response]


def token(service: Service, simulator: Simulator) -> str:
    reply = service.call("POST", "/api/v1/auth/login", json={"code": simulator.code("described")})
    found: str = reply.json()["data"]["access_token"]
    return found


def contract_login(service: Service, simulator: Simulator, **options: Any) -> requests.Response:
    body = {"platCode": simulator.code("described"), "platUserInfoMap": simulator.sealed("described", **options)}
    return service.call("POST", "/user/wxlogin", json=body)


def used_code(service: Service, simulator: Simulator, path: str, field: str) -> requests.Response:
    code = simulator.code("described")
    service.call("POST", path, json={field: code})
    return service.call("POST", path, json={field: code})


def while_wechat(fault: dict[str, Any], path: str, field: str) -> Call:
    def call(service: Service, simulator: Simulator) -> requests.Response:
        simulator.fault(fault)
        return service.call("POST", path, json={field: simulator.code("described")})

    return call


LOGINS = {"/api/v1/auth/login": "code", "/user/wxlogin": "platCode"}
OPEN = ("/healthz", "/readyz", "/.well-known/jwks.json", "/.well-known/openid-configuration", "/openapi.json")
# What WeChat says that we do not know is a bad gateway; the contract knows 4xx and 503 only.
UNKNOWN = {"/api/v1/auth/login": "502", "/user/wxlogin": "503"}
# (method, path, status) or with a word more: a call that gets it.
CALLS: dict[tuple[str, ...], Call] = {
    **{("GET", path, "200"): lambda s, w, path=path: s.call("GET", path) for path in OPEN},
    ("POST", "/user/wxlogin", "200", "profile"): contract_login,
    ("POST", "/user/wxlogin", "200", "without openId"): lambda s, w: contract_login(s, w, kind="getUserProfile"),
    ("POST", "/user/wxlogin", "200", "placeholder"): lambda s, w: contract_login(s, w, placeholder=True),
    ("POST", "/user/wxlogin", "200", "new members"): lambda s, w: contract_login(s, w, profile={"mood": ["fine"]}),
    ("GET", "/api/v1/user/profile", "200"): lambda s, w: s.call("GET", "/api/v1/user/profile", token=token(s, w)),
    ("GET", "/api/v1/user/profile", "401"): lambda s, w: s.call("GET", "/api/v1/user/profile"),
    **{
        ("POST", path, status, name): call
        for path, field in LOGINS.items()
        for status, name, call in (
            ("200", "code", lambda s, w, p=path, f=field: s.call("POST", p, json={f: w.code("described")})),
            ("400", "a field", lambda s, w, p=path, f=field: s.call("POST", p, json={f: 5, "more": 1})),
            ("400", "no JSON", lambda s, w, p=path: s.call("POST", p, json=[])),
            ("413", "long", lambda s, w, p=path: s.call("POST", p, json={"x": "x" * 20_000})),
            ("415", "a form", lambda s, w, p=path: s.call("POST", p, data={"x": "x"})),
            ("429", "quota", while_wechat({"kind": "errcode", "errcode": 45011}, path, field)),
            ("403", "risk", while_wechat({"kind": "errcode", "errcode": 40226}, path, field)),
            (UNKNOWN[path], "new errcode", while_wechat({"kind": "errcode", "errcode": 99999}, path, field)),
            ("503", "status 500", while_wechat({"kind": "http_status", "status": 500}, path, field)),
        )
    },
    ("POST", "/api/v1/auth/login", "401"): lambda s, w: used_code(s, w, "/api/v1/auth/login", "code"),
    ("POST", "/user/wxlogin", "400", "used"): lambda s, w: used_code(s, w, "/user/wxlogin", "platCode"),
}  # fmt: skip


@pytest.mark.parametrize("case", CALLS.items(), ids=lambda case: " ".join(case[0]))
def test_what_the_service_answers_is_what_the_document_says(
    document: Document, simulator: Simulator, service: Service, case: tuple[tuple[str, ...], Call]
) -> None:
    (method, path, status, *_), call = case
    answer = call(service, simulator)
    assert str(answer.status_code) == status, answer.text
    described = operations(document)[method, path]["responses"][status]["content"]["application/json"]["schema"]
    schema = {**described, "components": document["components"]}
    errors = OAS31Validator(schema, format_checker=oas31_format_checker).iter_errors(answer.json())
    assert [error.message for error in errors] == []


def test_what_the_document_allows_in_a_body_is_what_the_service_reads(document: Document) -> None:
    """Patterns and lengths come from the same declarations; these stand for all of them."""
    schemas = document["components"]["schemas"]
    validator = OAS31Validator({**schemas["NativeLogin"], "components": document["components"]})
    good = {"code": "0a1b", "appid": "wx4f4bc4dec97d474b", "signature": "a" * 40, "rawData": "{}"}
    assert validator.is_valid(good)
    for wrong in (
        {},
        {"code": ""},
        {"code": "a b"},
        {"code": 5},
        {"code": None},
        {**good, "appid": "wx1"},
        {**good, "more": 1},
        {**good, "signature": "A" * 40},
        {**good, "rawData": "x" * 4097},
    ):
        assert not validator.is_valid(wrong), wrong
