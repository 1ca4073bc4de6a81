"""An export of any size: in bounded memory, beside everybody else, one of a person at a time, also read slowly."""

import json
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.harness.crowd import Crowd, Request, percentile
from tests.harness.service import Service
from tests.harness.signedin import Person, native
from tests.harness.simulator import Simulator

pytestmark = pytest.mark.slow

EXPORT = "/api/v1/me/export"
ROWS = 20_000


@pytest.fixture(scope="module", params=["sqlite", "mysql"])
def service(request: pytest.FixtureRequest, start_service: Callable[..., Service]) -> Iterator[Service]:
    """One worker with one database connection: whoever holds it holds up everybody."""
    settings = {"DATABASE_POOL_SIZE": "1", "LOG_LEVEL": "INFO", "ACCESS_LOG": "0", "RATE_LIMIT_EXPORT": "off"}
    service = start_service(f"exports-{request.param}", database=request.param, workers=1, settings=settings)
    yield service
    service.stop()


@pytest.fixture(scope="module")
def hoarder(service: Service, shared_simulator: Simulator) -> Person:
    """Somebody with as many sessions and events as a year of loops could leave."""
    person = native(service, shared_simulator, "hoarder")
    sessions = [
        f"('hoard{n:017}', {person.user_id}, '{service.appid}', 'native', 0, 5, 5, 5, 9, 9, 9, {n % 7 + 4})"
        for n in range(ROWS)
    ]
    events = [f"(1900000000 + {n % 5}, 'hoarded', {person.user_id}, 'x')" for n in range(ROWS)]
    connection = service.connect()
    cursor = connection.cursor()
    cursor.execute("BEGIN")
    for begin in range(0, ROWS, 1000):
        cursor.execute(
            "INSERT INTO sessions (id, user_id, appid, contract, token_version, created_at, last_used_at, rotated_at,"
            " idle_seconds, idle_expires_at, absolute_expires_at, revoked_at) VALUES "
            + ", ".join(sessions[begin : begin + 1000])
        )
        cursor.execute(
            "INSERT INTO audit_events (at, event, user_id, detail) VALUES " + ", ".join(events[begin : begin + 1000])
        )
    cursor.execute("COMMIT")
    connection.close()
    return person


def memory(service: Service) -> int:
    """The most that the worker has had in memory, in KB."""
    status = Path(f"/proc/{service.workers()[0]}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1])


def asked(service: Service, person: Person) -> bytes:
    """The request as bytes, with a fresh code."""
    lines = {"Host": "x", "Authorization": f"Bearer {person.access}", **service.step_up(person.access)}
    return (f"GET {EXPORT} HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in lines.items()) + "\r\n").encode()


def test_a_large_export_takes_no_memory_and_lets_others_in_between(
    service: Service, hoarder: Person, crowd: Crowd, figures: Callable[[str], None]
) -> None:
    """Before: 300,000 rows took 7 s in which nobody else was answered, and 50 MB."""
    service.call("GET", "/openapi.json")
    had = memory(service)
    profile = Request("GET", f"{service.url}/api/v1/me", None, hoarder.bearer)
    others = crowd.measure([profile], 3.0, 0.1)
    began = time.monotonic()
    answer = hoarder.call("GET", EXPORT)
    took = time.monotonic() - began
    data = answer.json()["data"]
    assert (answer.json()["code"], len(answer.json()["request_id"])) == (0, 32)
    assert len({row["id"] for row in data["sessions"]}) == len(data["sessions"]) == ROWS + 1
    assert len({row["id"] for row in data["audit_events"] if row["event"] == "hoarded"}) == ROWS
    waits = [other.seconds for other in others.result(30)]
    assert {other.status for other in others.result(30)} == {200}
    grown, database = memory(service) - had, service.dialect
    figures(
        f"export of {2 * ROWS:,} rows, {database}: {took:.1f} s, {grown / 1000:.1f} MB more;"
        f" a profile meanwhile p99 {percentile(waits, 99) * 1000:.0f} ms"
    )
    assert grown < 12_000
    assert max(waits) < max(0.5, took / 2)


def test_one_who_does_not_read_holds_up_nobody_but_their_own_exports(service: Service, hoarder: Person) -> None:
    with socket.create_connection(("127.0.0.1", service.port), timeout=10) as sleeper:
        sleeper.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sleeper.sendall(asked(service, hoarder))
        assert sleeper.recv(12) == b"HTTP/1.1 200"
        # The one database connection is free, and stays so.
        for _ in range(3):
            assert hoarder.call("GET", "/api/v1/me").status_code == 200
        refused = hoarder.call("GET", EXPORT)
        assert (refused.status_code, refused.json()["error"]) == (429, "too_many_requests")
        assert refused.headers["Retry-After"] == "10"
    deadline = time.monotonic() + 20
    while (answer := hoarder.call("GET", EXPORT)).status_code == 429:
        assert time.monotonic() < deadline
    assert answer.status_code == 200


def test_an_operators_export_is_the_same(service: Service, hoarder: Person) -> None:
    printed = json.loads(service.flask("authsvc", "users", "export", hoarder.user_id, shows_secret=True))
    own = hoarder.call("GET", EXPORT).json()["data"]
    assert set(printed) == set(own)
    assert printed["sessions"] == own["sessions"]
