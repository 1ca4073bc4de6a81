"""Whom the door turns away: every route that is not public, without a credential and with every wrong one."""

import base64
import re
from collections.abc import Callable, Iterator
from typing import Any, get_args

import pytest
import requests
from openapi_schema_validator import OAS31Validator, oas31_format_checker

from authsvc.services.operator.credentials import ServiceCredentials
from authsvc.values.operator import ServiceScope
from authsvc.web.routing import Operation, declared
from authsvc.web.who import Operator, Person, Public
from authsvc.web.who import Service as Services
from tests.harness import signedin
from tests.harness.inprocess import beside
from tests.harness.leaks import Canaries
from tests.harness.service import Service
from tests.harness.simulator import Simulator

Route = tuple[str, str, Operation]
NAMES = {
    "link_id": "1",
    "user_id": "999999999",
    "session_id": "A" * 22,
    "appid": "wx4f4bc4dec97d474b",
    "original": "orders",
}
PICTURES = {"/signin/{name}": "page.js", "/avatars/{name}": f"{0:032}.jpg", "/qrcodes/{name}": f"{0:032}.jpg"}


@pytest.fixture(scope="module")
def kept(sqlite_service: Service, canaries: Canaries) -> Iterator[tuple[list[Route], dict[str, str]]]:
    """Every route as it is declared, and a credential of each scope."""
    with beside(sqlite_service) as app:
        credentials: ServiceCredentials = app.extensions["authsvc"].service_credentials
        made = {
            scope: canaries.never(f"who may: {scope}", credentials.add(f"who-{scope}", (scope,)))
            for scope in get_args(ServiceScope)
        }
        # Pages of the console: tests/web/test_console_door.py.
        yield [route for route in declared(app) if not route[2].contract.for_browsers], made
        for scope in made:
            credentials.remove(f"who-{scope}")


@pytest.fixture(scope="module")
def routes(kept: tuple[list[Route], dict[str, str]]) -> list[Route]:
    return kept[0]


@pytest.fixture(scope="module")
def credentials(kept: tuple[list[Route], dict[str, str]]) -> dict[str, str]:
    return kept[1]


@pytest.fixture(scope="module")
def document(sqlite_service: Service) -> dict[str, Any]:
    found: dict[str, Any] = sqlite_service.call("GET", "/openapi.json").json()
    return found


def basic(credential: str) -> str:
    return "Basic " + base64.b64encode(credential.replace(".", ":", 1).encode()).decode()


def ask(service: Service, route: Route, authorization: str | None) -> requests.Response:
    method, path, operation = route
    filled = re.sub(r"{(\w+)}", lambda found: PICTURES.get(path) or NAMES.get(found[1], "nobodys"), path)
    headers = {} if authorization is None else {"Authorization": authorization}
    reads_body = operation.fields is not None and not operation.reads_query(method)
    body = {"data" if operation.form else "json": {}} if reads_body else {}
    return service.call(method, filled, headers=headers, **body)


def refused(answer: requests.Response, document: dict[str, Any], route: Route) -> bool | str:
    """Whether an answer is a refusal in the shape of its contract; if not, what is wrong with it."""
    method, path, operation = route
    described = document["paths"][path][method.lower()]["responses"][str(answer.status_code)]["content"]
    schema = {**described["application/json"]["schema"], "components": document["components"]}
    errors = [error.message for error in OAS31Validator(schema, format_checker=oas31_format_checker).iter_errors(
        answer.json()
    )]  # fmt: skip
    if errors or not answer.json():
        return f"{answer.text}: {errors}"
    if answer.status_code == 401:
        return answer.headers["WWW-Authenticate"] == operation.contract.challenge
    return answer.status_code == 403


def not_refused(
    service: Service, document: dict[str, Any], routes: list[Route], wrong: Callable[[Route], str | None]
) -> dict[str, object]:
    """Those of the routes that let in whom they should not, or say so in another shape."""
    answers = {f"{route[0]} {route[1]}": (route, ask(service, route, wrong(route))) for route in routes}
    statuses = {name: answer.status_code for name, (_, answer) in answers.items()}
    let_in = {name: status for name, status in statuses.items() if status not in (401, 403)}
    return let_in or {
        name: said
        for name, (route, answer) in answers.items()
        if (said := refused(answer, document, route)) is not True
    }


def test_nobody_enters_without_a_credential(
    service: Service, document: dict[str, Any], routes: list[Route], credentials: dict[str, str]
) -> None:
    closed = [route for route in routes if route[2].asks_who]
    assert len(closed) > 40 and {type(route[2].who) for route in closed} == {Person, Services, Operator}
    for nothing in (None, "", "Bearer", "Bearer  ", "Basic", "Digest x", "Bearer a b"):
        assert not_refused(service, document, closed, lambda _, nothing=nothing: nothing) == {}


def test_nobody_enters_with_a_credential_that_holds_nowhere(
    service: Service, document: dict[str, Any], routes: list[Route], credentials: dict[str, str]
) -> None:
    closed = [route for route in routes if route[2].asks_who]
    stranger = credentials["metrics"].partition(".")[0] + "." + "A" * 43
    for wrong in ("Bearer not.a.token", f"Bearer {stranger}", basic(stranger), "Basic ????"):
        assert not_refused(service, document, closed, lambda _, wrong=wrong: wrong) == {}


def test_no_person_enters_where_services_do_and_no_service_where_people_do(
    service: Service,
    simulator: Simulator,
    document: dict[str, Any],
    routes: list[Route],
    credentials: dict[str, str],
) -> None:
    person = signedin.native(service, simulator, "who-may").access
    for_services = [route for route in routes if isinstance(route[2].who, Services)]
    assert not_refused(service, document, for_services, lambda _: f"Bearer {person}") == {}
    for_operators = [route for route in routes if isinstance(route[2].who, Operator)]
    for wrong in (f"Bearer {person}", f"Bearer {credentials['introspect']}", basic(credentials["introspect"])):
        assert not_refused(service, document, for_operators, lambda _, wrong=wrong: wrong) == {}
    for_people = [route for route in routes if isinstance(route[2].who, Person)]
    for wrong in (f"Bearer {credentials['introspect']}", basic(credentials["introspect"])):
        assert not_refused(service, document, for_people, lambda _, wrong=wrong: wrong) == {}


def test_no_service_enters_with_another_scope(
    service: Service, document: dict[str, Any], routes: list[Route], credentials: dict[str, str]
) -> None:
    for route in routes:
        if isinstance(route[2].who, Services):
            others = [made for scope, made in credentials.items() if scope != route[2].who.scope]
            assert {ask(service, route, f"Bearer {other}").status_code for other in others} == {403}
            assert not_refused(service, document, [route], lambda _, other=others[0]: basic(other)) == {}


def test_a_route_for_everybody_asks_nobody(service: Service, routes: list[Route], credentials: dict[str, str]) -> None:
    """Who comes with nothing, with something that does not hold, or with a service's credential is answered alike."""
    for route in routes:
        if isinstance(route[2].who, Public):
            ways = (None, "Bearer not.a.token", "Basic ????", f"Bearer {credentials['revoke']}")
            statuses = {ask(service, route, way).status_code for way in ways}
            assert len(statuses) == 1 and not statuses & {401, 403}, (route[:2], statuses)


# --- what the description says of it --------------------------------------------------------------------------------


def test_the_description_says_who_may_as_it_is_declared(document: dict[str, Any], routes: list[Route]) -> None:
    for method, path, operation in routes:
        described = document["paths"][path][method.lower()]["security"]
        match operation.who:
            case Services():
                expected: Any = [{"basic": []}, {"credential": []}]
                assert f"scope `{operation.who.scope}`" in document["paths"][path][method.lower()]["description"]
            case Operator():
                expected = [{"operator": []}]
                assert f"role `{operation.who.role}`" in document["paths"][path][method.lower()]["description"]
            case Person():
                expected = [{"bearer": []}]
            case Public():
                expected = [{}, {"bearer": []}] if operation.who.knows_people else [{}]
        assert described == expected, (method, path)
    assert "security" not in document


INTERNAL = (
    "GET /metrics",
    "GET /internal/v1/access_token",
    "POST /internal/v1/access_token/rejected",
    "POST /internal/v1/qrcodes",
    "POST /internal/v1/session-key/sign",
    "POST /internal/v1/session-key/open",
    "POST /internal/v1/session-key/check",
    "POST /internal/v1/directory/people",
    "GET /internal/v1/directory/changes",
    "PUT /internal/v1/directory/people/{user_id}/roles",
    "POST /oauth/introspect",
    "POST /oauth/revoke",
    "GET /oauth/revocations",
)


@pytest.mark.parametrize("name", INTERNAL)
def test_a_service_enters_in_each_way_that_the_description_names_and_no_other(
    name: str,
    service: Service,
    simulator: Simulator,
    document: dict[str, Any],
    routes: list[Route],
    credentials: dict[str, str],
) -> None:
    schemes = document["components"]["securitySchemes"]
    (route,) = [route for route in routes if f"{route[0]} {route[1]}" == name]
    described = document["paths"][route[1]][route[0].lower()]
    (scope,) = re.findall(r"scope `(\w+)`", described["description"])
    ways = {schemes[scheme]["scheme"]: scope for way in described["security"] for scheme in way}
    assert set(ways) == {"basic", "bearer"}
    # With an empty body some go on to say what it lacks, and some are off.
    let_in = (200, 400, *((404,) if route[2].may_be_off else ()))
    assert ask(service, route, basic(credentials[ways["basic"]])).status_code in let_in
    assert ask(service, route, f"Bearer {credentials[ways['bearer']]}").status_code in let_in
    person = signedin.native(service, simulator, "who-may-described").access
    assert schemes["bearer"]["bearerFormat"] == "JWT" and "bearerFormat" not in schemes["credential"]
    assert ask(service, route, f"Bearer {person}").status_code == 401


def test_the_list_of_services_routes_is_whole(routes: list[Route]) -> None:
    assert {f"{method} {path}" for method, path, found in routes if isinstance(found.who, Services)} == set(INTERNAL)
