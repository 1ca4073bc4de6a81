"""The access log as gunicorn really writes it: one line per request, no query in it, and no line of a stranger's."""

import json
import re
import secrets
import socket
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.harness.leaks import Canaries
from tests.harness.places import ROOT
from tests.harness.service import Service
from tests.harness.simulator import Simulator


def lines_with(service: Service, mark: str, logger: str, count: int = 1) -> list[dict[str, Any]]:
    """The log's lines of a logger that hold ``mark``, each of them one JSON object.

    gunicorn writes a line after it has answered, so ``count`` of them are waited for.
    """
    give_up = time.monotonic() + 3
    while True:
        found = [json.loads(line) for line in service.log.read_text().split("\n") if mark in line]
        of_logger = [said for said in found if said["logger"] == logger]
        if len(of_logger) >= count or time.monotonic() > give_up:
            return of_logger
        time.sleep(0.02)


def test_a_query_stays_out_of_the_log_and_the_path_stays_in(service: Service, canaries: Canaries) -> None:
    mark, secret = secrets.token_hex(6), canaries.not_in_logs("code in a query", secrets.token_urlsafe(24))
    service.call("GET", f"/wx/login/{mark}", params={"code": secret, "encryptedData": secret, "anything": secret})
    (line,) = lines_with(service, mark, "gunicorn.access")
    assert line["message"] == f"GET /wx/login/{mark} 404"
    assert secret not in service.log.read_text()


def test_a_request_is_fields_and_those_of_a_login_say_by_which_route_and_for_which_mini_program(
    service: Service, simulator: Simulator
) -> None:
    mark = secrets.token_hex(6)
    agent = f'{mark} "quoted"'
    answer = service.login(simulator.code("fields"), headers={"User-Agent": agent})
    (line,) = lines_with(service, mark, "gunicorn.access")
    assert 0 < line.pop("ms") < 10_000 and line.pop("pid") in service.workers()
    made = datetime.fromisoformat(line.pop("time"))
    assert made.tzinfo is not None and abs(made - datetime.now(UTC)) < timedelta(minutes=1)
    described = re.findall(r"^\| (`.*?`) \|", (ROOT / "docs" / "logs.md").read_text(), re.MULTILINE)
    assert set(line) < set(re.findall(r"\w+", " ".join(described)))
    assert line == {
        "level": "INFO",
        "logger": "gunicorn.access",
        "message": "POST /api/v1/auth/login 200",
        "method": "POST",
        "path": "/api/v1/auth/login",
        "status": 200,
        "bytes": len(answer.content),
        "address": "127.0.0.1",
        "route": "POST /api/v1/auth/login",
        "contract": "native",
        "user_agent": agent,
        "app": service.appid,
        "request_id": answer.headers["X-Request-ID"],
    }


def test_a_path_that_nobody_declared_has_no_route(service: Service) -> None:
    mark = secrets.token_hex(6)
    service.call("GET", f"/{mark}")
    (line,) = lines_with(service, mark, "gunicorn.access")
    assert (line["route"], line["contract"], line["path"]) == ("none", "none", f"/{mark}")


def test_of_two_requests_of_a_connection_the_second_has_nothing_of_the_first(
    service: Service, simulator: Simulator
) -> None:
    """Not even where gunicorn refuses it before anything has read it."""
    mark, body = secrets.token_hex(6), json.dumps({"code": simulator.code("two")}).encode()
    head = f"POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nUser-Agent: {mark}\r\n"
    with socket.create_connection(("127.0.0.1", service.port), timeout=5) as connection:
        connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        answer = connection.recv(65536)
        service.keep({}, answer.partition(b"\r\n\r\n")[2])
        connection.sendall(f"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Second {mark}\r\n\r\n".encode())
        assert b" 400 " in connection.recv(65536)
    (first,) = lines_with(service, mark, "gunicorn.access")
    assert first["app"] == service.appid and first["request_id"].encode() in answer
    (second,) = lines_with(service, mark, "gunicorn.error")
    assert second["message"].startswith("Invalid request from ip=127.0.0.1")
    assert {"request_id", "app"} & set(second) == set()


@pytest.mark.parametrize("header", ["Authorization", "Cookie", "Referer", "Idempotency-Key", "X-Request-ID"])
def test_a_header_stays_out_of_the_log(service: Service, canaries: Canaries, header: str) -> None:
    secret = canaries.not_in_logs("secret in a header", secrets.token_urlsafe(24))
    value = {"Authorization": f"Bearer {secret}", "Referer": f"https://servicewechat.com/wx1/1/x?code={secret}"}
    service.call("GET", "/api/v1/user/profile", headers={header: value.get(header, f"{secret} {secret}")})
    assert secret not in service.log.read_text()


@pytest.mark.parametrize("ending", ["%0a", "%0d%0a", "%e2%80%a8", "%c2%85", "%1b[2K"])
def test_a_path_cannot_write_a_line_of_its_own(service: Service, ending: str) -> None:
    mark = secrets.token_hex(6)
    forged = "%7B%22level%22:%22ERROR%22,%22message%22:%22forged%22%7D"
    service.call("GET", f"/{mark}{ending}{forged}{mark}")
    (access,) = lines_with(service, mark, "gunicorn.access")
    (refusal,) = lines_with(service, mark, "authsvc.web.errors")
    for said in (access, refusal):
        assert said["level"] == "INFO" and said["message"].count(mark) == said["path"].count(mark) == 2


def test_a_user_agent_cannot_write_a_line_of_its_own(service: Service) -> None:
    mark = secrets.token_hex(6)
    service.call("GET", "/healthz", headers={"User-Agent": f'{mark}" 200 0 1ms "x\t\\n{{"level":"ERROR"}}'})
    (line,) = lines_with(service, mark, "gunicorn.access")
    assert line["level"] == "INFO"


def test_a_header_with_a_line_break_is_no_request(service: Service) -> None:
    mark = secrets.token_hex(6)
    with socket.create_connection(("127.0.0.1", service.port), timeout=5) as connection:
        connection.sendall(f"GET /healthz HTTP/1.1\r\nHost: x\r\nUser-Agent: a\rforged {mark}\r\n\r\n".encode())
        assert b" 400 " in connection.recv(200)
    service.call("GET", f"/{mark}")
    assert len(lines_with(service, mark, "gunicorn.access")) == 1


def test_there_are_as_many_lines_as_requests(service: Service) -> None:
    mark = secrets.token_hex(6)
    for number in range(20):
        service.call(("GET", "POST")[number % 2], f"/{mark}/{number}")
    assert len(lines_with(service, mark, "gunicorn.access", 20)) == 20
