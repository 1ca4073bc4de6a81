"""What one person, or a stranger in a loop, can make of the tables: so much, and no more."""

import re
import secrets
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from authsvc.db.models import Base
from authsvc.db.queries.consents import MOST
from authsvc.services.accounts.linking import MOST_IDENTITIES
from tests.harness.crowd import Crowd, Request, post
from tests.harness.service import Service
from tests.harness.signedin import native
from tests.harness.simulator import Simulator

CONSENTS = "/api/v1/me/consents"
# What a stranger's request leaves for minutes or days (docs/privacy.md), at most so many rows each.
PASSING = {"phone_calls": 1, "spent_phone_codes": 1, "scan_sign_ins": 1}
# What only counts: at most so many rows, however many requests (an hour; kinds of failure, not failures).
COUNTING = {"wechat_errors": 4}


def test_somebody_agrees_to_so_many_versions(each_service: Service, simulator: Simulator, crowd: Crowd) -> None:
    """Before: without end, and each call listed all of them."""
    person = native(each_service, simulator, "agrees")
    values = ", ".join(f"({person.user_id}, 'old-{number}', 5)" for number in range(MOST - 2))
    each_service.rows(f"INSERT INTO consents (user_id, version, given_at) VALUES {values}")
    agree = [post(each_service.url + CONSENTS, {"version": f"new-{number}"}, **person.bearer) for number in range(8)]
    answers = crowd.send(agree)
    assert sorted(answer.status for answer in answers) == [200] * 2 + [409] * 6
    refused = next(answer for answer in answers if answer.status == 409)
    assert refused.json()["error"] == "limit_reached"
    assert len(person.call("GET", CONSENTS).json()["data"]) == MOST
    # What is there already may be said again, and a login goes on without what is not kept.
    assert person.call("POST", CONSENTS, json={"version": "old-1"}).status_code == 200
    again = native(each_service, simulator, "agrees", json={"consentVersion": "newest"})
    assert again.user_id == person.user_id
    assert each_service.count("consents", f"user_id = {person.user_id}") == MOST


def test_somebody_links_so_many_identities(each_service: Service, simulator: Simulator) -> None:
    person = native(each_service, simulator, "links")
    values = ", ".join(
        f"('{each_service.appid}', 'o{secrets.token_hex(13)}', {person.user_id}, 5)" for _ in range(MOST_IDENTITIES - 2)
    )
    each_service.rows(f"INSERT INTO identities (appid, openid, user_id, created_at) VALUES {values}")
    answers = [
        person.call(
            "POST",
            "/api/v1/me/identities",
            json={"code": simulator.code(f"links-{number}"), "appid": each_service.appid},
        )
        for number in range(2)
    ]
    assert [answer.status_code for answer in answers] == [200, 409], answers[0].text
    assert answers[1].json()["error"] == "limit_reached"
    assert each_service.count("identities", f"user_id = {person.user_id}") == MOST_IDENTITIES


@pytest.mark.parametrize("times", [8, pytest.param(300, marks=pytest.mark.slow)])
def test_a_stranger_grows_no_table(
    each_service: Service, simulator: Simulator, crowd: Crowd, figures: Callable[[str], None], times: int
) -> None:
    """Every route without a credential, with what its fields allow and nobody has."""
    before = {table: each_service.count(table) for table in Base.metadata.tables}
    document = each_service.call("GET", "/openapi.json").json()
    requests = [request for _ in range(times) for request in garbage(document, each_service.url)]
    # Each has a connection of its own.
    shares = [requests[begin : begin + 400] for begin in range(0, len(requests), 400)]
    answers = [answer for share in shares for answer in crowd.send(share)]
    assert len(answers) > 55 * times and not any(answer.status == 500 for answer in answers)
    grown = {table: each_service.count(table) - rows for table, rows in before.items()}
    figures(f"{len(requests):,} requests of strangers: rows more { ({t: n for t, n in grown.items() if n}) }")
    assert {table for table, rows in grown.items() if rows > 0} <= {*PASSING, *COUNTING}
    assert all(grown[table] <= most * times + 4 for table, most in PASSING.items())
    assert all(grown[table] <= most for table, most in COUNTING.items())


def garbage(document: dict[str, Any], url: str) -> Iterator[Request]:
    """A request for each route, with texts that nobody has."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            filled = url + re.sub(r"{\w+}", secrets.token_hex(8), path)
            if "requestBody" in operation:
                contents = operation["requestBody"]["content"].values()
                content = next((found for found in contents if "$ref" in found["schema"]), None)
                if content is None:  # a picture, or WeChat's own text
                    yield replace(post(filled, {}), method=method.upper())
                    continue
                headers = {"Idempotency-Key": secrets.token_hex(16)}
                body = {name: secrets.token_hex(16) for name in wanted(document, content["schema"])}
                yield replace(post(filled, body, **headers), method=method.upper())
            else:
                names = [entry["name"] for entry in operation.get("parameters", []) if entry["in"] == "query"]
                query = "&".join(f"{name}={secrets.token_hex(16)}" for name in names)
                yield Request(method.upper(), f"{filled}?{query}", None, {})


def wanted(document: dict[str, Any], schema: dict[str, Any]) -> list[str]:
    """The fields that a body must have, and the code where there is one."""
    name = schema["$ref"].rpartition("/")[2]
    found = document["components"]["schemas"][name]
    return sorted({*found.get("required", []), *({"code"} & set(found["properties"]))})
