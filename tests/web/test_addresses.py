"""Whose address a request comes from, however a peer or a proxy spells it, and what holds where none is known."""

import http.client
import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.harness import scanning, signedin
from tests.harness.service import Service
from tests.harness.simulator import Simulator
from tests.harness.waiting import wait_until

LIMIT = 5
SETTINGS = {"RATE_LIMIT_INVITE": f"address {LIMIT}/hour", "RATE_LIMIT_SIGNIN": "off", "PHONE_DAILY_PER_ADDRESS": "2"}
CHECK = "/api/v1/invites/check?invite_code=none"
# One client, as proxies of different makes name it.
SPELLINGS = [
    "203.0.113.{n}",
    "203.0.113.{n}:4711",
    '"203.0.113.{n}:4712"',
    "::ffff:203.0.113.{n}",
    "[::ffff:203.0.113.{n}]:4713",
    "64:ff9b::203.0.113.{n}",
    "[64:ff9b::203.0.113.{n}]:4714",
    "198.51.100.1, 203.0.113.{n}:4715",
]
UNKNOWN = ["", "unknown", "-", "localhost", "203.0.113.300", "203.0.113.5.6:80", "x" * 5000, "[2001:db8::1", "0.0.0.0"]


@pytest.fixture(scope="module", params=["sqlite", "mysql"])
def proxied(request: pytest.FixtureRequest, start_service: Callable[..., Service]) -> Service:
    """A service behind one proxy, on each database."""
    settings = {**SETTINGS, "TRUSTED_PROXIES": "1"}
    return start_service("addresses", database=request.param, workers=1, settings=settings)


@pytest.fixture(scope="module")
def dual(start_service: Callable[..., Service]) -> Service:
    """A service that listens on every address, IPv6 and IPv4 together: IPv4 clients come as ::ffff:… there."""
    try:
        socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True).close()
    except (OSError, ValueError):
        pytest.skip("no IPv6 on this machine")
    return start_service("dual", workers=1, settings={**SETTINGS, "BIND": "::"})


def checks(service: Service, *forwarded: str) -> list[int]:
    """The statuses of one question from each address."""
    return [service.call("GET", CHECK, headers={"X-Forwarded-For": named}).status_code for named in forwarded]


def test_a_client_is_one_however_its_address_is_spelt(proxied: Service) -> None:
    spelt = [spelling.format(n=7) for spelling in SPELLINGS]
    assert checks(proxied, *spelt) == [200] * LIMIT + [429] * (len(spelt) - LIMIT)
    assert checks(proxied, "203.0.113.8", "[2001:db8:0:7::1]:1") == [200, 200]


def test_a_new_port_each_time_is_no_new_client(proxied: Service) -> None:
    assert checks(proxied, *(f"203.0.113.9:{port}" for port in range(5000, 5000 + 2 * LIMIT))).count(200) == LIMIT
    zones = [f"[2001:db8:0:9::{number:x}%eth{number}]:{5000 + number}" for number in range(2 * LIMIT)]
    assert checks(proxied, *zones).count(200) == LIMIT


def test_whoever_is_not_known_is_counted_with_nobody(proxied: Service) -> None:
    for named in UNKNOWN:
        assert checks(proxied, *[named] * (LIMIT + 1)) == [200] * (LIMIT + 1)
    assert [proxied.call("GET", CHECK).status_code for _ in range(LIMIT + 1)] == [200] * (LIMIT + 1)
    assert proxied.log.read_text().count("X-Forwarded-For has no client address") == 1


LONG = "2001:db8:1:2:3333:4444:5555:6666"
CONSENTS: list[tuple[str, str, str | None, bool | None]] = [
    ("203.0.113.5:4711", "::ffff:203.0.113.5", "203.0.113.5", True),
    ("::ffff:203.0.113.5", "::ffff:198.51.100.9", "203.0.113.5", False),
    ("64:ff9b::203.0.113.5", "64:ff9b::198.51.100.9", "203.0.113.5", False),
    (f"[{LONG}%a-zone-of-some-length]:54321", "2001:db8:1:2::7", LONG, True),
    ("[2001:db8:1:2::1]:1", "[2001:db8:1:3::1]:1", "2001:db8:1:2::1", False),
    ("unknown", "unknown", None, None),
    ("x" * 5000, "x" * 5000, None, None),
    ("", "203.0.113.5", None, None),
    ("203.0.113.5", "unknown", "203.0.113.5", None),
]  # fmt: skip


@pytest.mark.parametrize("there, here, shown, same", CONSENTS, ids=[case[0][:30] for case in CONSENTS])
def test_a_phone_is_told_whether_the_browser_is_beside_it(
    simulator: Simulator, proxied: Service, there: str, here: str, shown: str | None, same: bool | None
) -> None:
    token = signedin.native(proxied, simulator, "beside").access
    browser = scanning.start(proxied, **{"X-Forwarded-For": there})
    answer = scanning.phone(proxied, "scan", browser.ticket, token, **{"X-Forwarded-For": here})
    consent = answer.json()["data"]
    assert (consent["address"], consent["same_network"]) == (shown, same)


def test_the_budget_of_an_address_is_not_given_anew_for_each_port(simulator: Simulator, proxied: Service) -> None:
    statuses = []
    for number in range(4):
        token = signedin.native(proxied, simulator, f"budget-{number}").access
        headers = {"X-Forwarded-For": f"[::ffff:203.0.113.77]:{5000 + number}", **proxied.step_up(token)}
        body = {"code": simulator.phone_code(f"budget-{number}")}
        statuses.append(proxied.call("POST", "/api/v1/me/phone", token=token, json=body, headers=headers).status_code)
    assert statuses == [200, 200, 429, 429]


# --- reached directly, IPv4 and IPv6 together ------------------------------------------------------------------


def ask_from(
    service: Service, source: str, method: str, path: str, body: dict[str, Any] | None = None, **headers: str
) -> tuple[int, dict[str, Any], str]:
    """Ask from one of this machine's addresses: status, JSON, and the cookie that came along."""
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=30, source_address=(source, 0))
    content = None if body is None else json.dumps(body)
    connection.request(method, path, content, {"Content-Type": "application/json", **headers})
    answer = connection.getresponse()
    told, cookie = json.loads(answer.read()), answer.headers.get("Set-Cookie", "")
    connection.close()
    return answer.status, told, cookie.partition(";")[0]


def test_ipv4_clients_of_a_listener_on_every_address_are_told_apart(dual: Service) -> None:
    """127.0.0.2 and 127.0.0.3 stand for strangers; 127.0.0.1 would be a proxy."""
    assert [ask_from(dual, "127.0.0.2", "GET", CHECK)[0] for _ in range(LIMIT + 1)] == [200] * LIMIT + [429]
    assert ask_from(dual, "127.0.0.3", "GET", CHECK)[0] == 200
    assert [ask_from(dual, "127.0.0.1", "GET", CHECK)[0] for _ in range(LIMIT + 1)] == [200] * (LIMIT + 1)


def test_and_none_of_them_is_beside_another(simulator: Simulator, dual: Service) -> None:
    token = signedin.native(dual, simulator, "beside-dual").access
    for phone, same in (("127.0.0.3", False), ("127.0.0.2", True)):
        _, started, _ = ask_from(dual, "127.0.0.2", "POST", f"{scanning.ROUTE}/start", {})
        ticket = scanning.ticket_of(started["data"]["picture"])
        dual.canaries.not_in_logs("scan ticket", ticket)
        signed = {"Authorization": f"Bearer {token}"}
        _, told, _ = ask_from(dual, phone, "POST", f"{scanning.ROUTE}/scan", {"ticket": ticket}, **signed)
        assert (told["data"]["address"], told["data"]["same_network"]) == ("127.0.0.2", same)


def test_the_access_log_names_clients_as_the_limits_count_them(dual: Service) -> None:
    ask_from(dual, "127.0.0.4", "GET", "/nothing-of-four")

    def named() -> list[str]:
        lines = [json.loads(line) for line in dual.log.read_text().splitlines() if "nothing-of-four" in line]
        return [line["address"] for line in lines if line["logger"] == "gunicorn.access"]

    wait_until(lambda: named() != [])  # it is written after the answer
    assert named() == ["127.0.0.4"]


def test_it_listens_on_this_machine_alone_unless_told_otherwise(service: Service, dual: Service) -> None:
    def listening_on(of: Service) -> set[str]:
        port = f"{of.port:04X}"
        tables = [Path("/proc/net", name).read_text().splitlines()[1:] for name in ("tcp", "tcp6")]
        rows = [row.split() for table in tables for row in table]
        return {row[1].split(":")[0] for row in rows if row[1].endswith(f":{port}") and row[3] == "0A"}

    assert listening_on(service) == {"0100007F"}
    assert listening_on(dual) == {"0" * 32}
