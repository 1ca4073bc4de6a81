"""No route is without a limit: each of the API is asked until it refuses, by everybody who may ask."""

import re
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any, get_args

import pytest

from authsvc.values.limits import LimitedKind
from authsvc.values.operator import ServiceScope
from tests.harness.operators import new_operator
from tests.harness.service import Service
from tests.harness.signedin import native
from tests.harness.simulator import Simulator

ONE_EACH = "address 1/day, user 1/day, service 1/day, operator 1/day"
Route = tuple[str, str, dict[str, Any]]


@pytest.fixture(scope="module")
def strict(start_service: Callable[..., Service]) -> Service:
    """Everybody may ask once a day for each kind of thing; a login is one, too, so each comes from a new address."""
    settings = {f"RATE_LIMIT_{kind.upper()}": ONE_EACH for kind in get_args(LimitedKind)}
    return start_service("route-limits", workers=1, settings={**settings, "TRUSTED_PROXIES": "1"})


@pytest.fixture(scope="module")
def addresses() -> Iterator[str]:
    return (f"198.51.{number // 250}.{number % 250 + 1}" for number in count())


@pytest.fixture(scope="module")
def routes(strict: Service, addresses: Iterator[str]) -> list[Route]:
    """Every route that there is: another test holds the description against the routing table."""
    paths = strict.call("GET", "/openapi.json", headers={"X-Forwarded-For": next(addresses)}).json()["paths"]
    return [(method.upper(), path, found) for path, methods in paths.items() for method, found in methods.items()]


# What an address may be named: anything else is no such route.
NAMES = {
    "/signin/pictures/{name}": f"{0:032}.jpg",
    "/signin/{name}": "page.js",
    "/avatars/{name}": f"{0:032}.jpg",
    "/qrcodes/{name}": f"{0:032}.jpg",
}


def filled(path: str, appid: str) -> str:
    values = {"appid": appid, "link_id": "1", "user_id": "999999999", "name": NAMES.get(path, "none")}
    return re.sub(r"{(\w+)}", lambda match: values.get(match[1], "none"), path)


def ask(service: Service, route: Route, address: str, token: str | None = None) -> int:
    method, path, _ = route
    body = {"json": {}} if method in ("POST", "PUT", "PATCH") else {}
    headers = {"X-Forwarded-For": address}
    answer = service.call(method, filled(path, service.appid), token=token, headers=headers, **body)
    # Of /generate_qrcode every failure has the status 200: its front ends want it so.
    return 429 if answer.status_code == 200 and "Retry-After" in answer.headers else answer.status_code


def wants(route: Route) -> str:
    """Who is known when they ask: nobody, a user, a service, or an operator."""
    security = route[2]["security"]
    if security == [{}]:
        return "anybody"
    if security == [{"operator": []}]:
        return "operator"
    return "service" if any("basic" in way for way in security) else "user"


def named(route: Route) -> str:
    return f"{route[0]} {route[1]}"


def test_one_address_is_held_to_a_limit_on_every_route(
    strict: Service, routes: list[Route], addresses: Iterator[str]
) -> None:
    """Whoever shows no credential, or a bad one."""
    assert len(routes) > 50
    unlimited = []
    for route in routes:
        address = next(addresses)
        first, second = ask(strict, route, address), ask(strict, route, address, "not.a.token")
        if first == 429 or second != 429:
            unlimited.append((named(route), first, second))
    assert unlimited == []


def test_one_user_is_held_to_a_limit_on_every_route_for_users(
    strict: Service, routes: list[Route], addresses: Iterator[str], simulator: Simulator
) -> None:
    """From a new address each time."""
    guarded = [route for route in routes if wants(route) == "user"]
    assert len(guarded) > 25
    unlimited = []
    for number, route in enumerate(guarded):
        headers = {"X-Forwarded-For": next(addresses)}
        token = native(strict, simulator, f"limited-{number}", headers=headers).access
        # What is no kind of its own is refused from here on: closing the account, say, is not carried out first.
        assert ask(strict, ("GET", "/api/v1/me", {}), next(addresses), token) == 200
        answers = [ask(strict, route, next(addresses), token) for _ in range(2)]
        if answers[-1] != 429:
            unlimited.append((named(route), *answers))
    assert unlimited == []


def test_one_service_is_held_to_a_limit_on_every_route_for_services(
    strict: Service, routes: list[Route], addresses: Iterator[str]
) -> None:
    scopes = [argument for scope in get_args(ServiceScope) for argument in ("--scope", scope)]
    credential = strict.flask("authsvc", "services", "add", "everything", *scopes, shows_secret=True).strip()
    for_services = [route for route in routes if wants(route) == "service"]
    assert len(for_services) >= 7
    assert ask(strict, ("GET", "/metrics", {}), next(addresses), credential) == 200
    # The second time, as some are counted apart from /metrics.
    answers = {
        named(route): [ask(strict, route, next(addresses), credential) for _ in range(2)][-1] for route in for_services
    }
    assert set(answers.values()) == {429}, answers


def test_one_operator_is_held_to_a_limit_on_every_route_for_operators(
    strict: Service, routes: list[Route], addresses: Iterator[str]
) -> None:
    _, credential = new_operator(strict, "owner")
    for_operators = [route for route in routes if wants(route) == "operator"]
    assert len(for_operators) >= 10
    assert ask(strict, ("GET", "/operator/v1/campaigns", {}), next(addresses), credential) == 200
    answers = {named(route): ask(strict, route, next(addresses), credential) for route in for_operators}
    assert set(answers.values()) == {429}, answers
