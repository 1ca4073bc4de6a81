"""A request's id: one search finds nginx's line, the service's lines and the audit event, and nobody chooses it."""

import json
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.harness import signedin
from tests.harness.nginx import Nginx, skip_without_nginx
from tests.harness.service import Service
from tests.harness.simulator import Simulator
from tests.harness.waiting import wait_until

pytestmark = pytest.mark.slow

# A ticket may be used again for as long as an answer may have been lost; afterwards it was stolen.
SETTINGS = {"TRUSTED_PROXIES": "1", "REFRESH_GRACE": "0", "LOG_LEVEL": "INFO"}


@pytest.fixture(scope="module", params=["json", "text"])
def service(request: pytest.FixtureRequest, start_service: Callable[..., Service]) -> Iterator[Service]:
    served = start_service("one-request", settings={**SETTINGS, "LOG_FORMAT": request.param})
    yield served
    served.stop()


@pytest.fixture(scope="module")
def nginx(tmp_path_factory: pytest.TempPathFactory, service: Service) -> Iterator[Nginx]:
    skip_without_nginx()
    named = {"127.0.0.1:8000": f"127.0.0.1:{service.port}", "server_name login.example.com": "server_name 127.0.0.1"}
    server = Nginx(tmp_path_factory.mktemp("nginx"), "nginx.conf", named)
    process = server.start()
    yield server
    process.stop()


class Ids:
    """What is sent through nginx, each time with an id that a stranger chose, and what is found of the true one."""

    def __init__(self, service: Service, nginx: Nginx) -> None:
        self.service = service
        self.nginx = nginx
        self.chosen = f"chosen-by-a-stranger-{secrets.token_hex(6)}"

    def sent(self, path: str, body: dict[str, Any], status: int) -> str:
        """Post this; return the id of the answer."""
        headers = {"X-Request-Id": self.chosen, "Connection": "close"}
        answer = requests.post(self.nginx.url + path, json=body, headers=headers, timeout=10)
        self.service.keep(answer.headers, answer.content)
        assert answer.status_code == status, answer.text
        assert answer.json()["request_id"] == answer.headers["X-Request-ID"] != self.chosen
        return answer.headers["X-Request-ID"]

    def found(self, number: str) -> tuple[list[str], list[str]]:
        """One search for an id: the lines of nginx, and those of the service."""
        proxy, served = (self.nginx.folder / "authsvc.log"), self.service.log
        wait_until(lambda: number in proxy.read_text() and "gunicorn.access" in str(_with(number, served)))
        return _with(number, proxy), _with(number, served)


def _with(number: str, log: Path) -> list[str]:
    return [line for line in log.read_text().splitlines() if number in line]


@pytest.fixture
def ids(service: Service, nginx: Nginx) -> Ids:
    return Ids(service, nginx)


def test_a_refused_login_is_found_at_the_proxy_and_in_the_service(ids: Ids, simulator: Simulator) -> None:
    code = simulator.code("searched")
    ids.sent("/api/v1/auth/login", {"code": code}, 200)
    (proxied,), (refused, access) = ids.found(ids.sent("/api/v1/auth/login", {"code": code}, 401))
    assert '"POST /api/v1/auth/login" 401' in proxied
    assert "refused: wx_code_used (/sns/jscode2session: errcode 40163" in refused
    assert "POST /api/v1/auth/login 401" in access and f"{ids.service.appid}" in access


def test_a_call_to_wechat_that_is_repeated_says_for_which_login(ids: Ids, simulator: Simulator) -> None:
    code = simulator.code("repeated")
    simulator.script({"kind": "errcode", "errcode": -1}, code=code)
    _, lines = ids.found(ids.sent("/api/v1/auth/login", {"code": code}, 200))
    assert any("authsvc.wechat.transport" in line and "WeChat call is repeated" in line for line in lines)
    assert any("audit: register" in line for line in lines)


def test_an_old_ticket_is_found_at_the_proxy_in_the_service_and_among_the_audit_events(
    ids: Ids, simulator: Simulator
) -> None:
    ticket = signedin.native(ids.service, simulator, "searched-ticket").refresh
    ids.sent(signedin.REFRESH, {"refresh_token": ticket}, 200)
    number = ids.sent(signedin.REFRESH, {"refresh_token": ticket}, 401)
    (proxied,), lines = ids.found(number)
    assert f'"POST {signedin.REFRESH}" 401' in proxied
    for said in ("audit: refresh_reuse", "refused: ", f"POST {signedin.REFRESH} 401"):
        assert [said in line for line in lines].count(True) == 1
    (event,) = json.loads(f"[{ids.service.flask('authsvc', 'audit', '--json', '--event', 'refresh_reuse').strip()}]")
    assert (event["event"], event["request_id"]) == ("refresh_reuse", number)


def test_what_nginx_refuses_itself_has_an_id_in_its_log(ids: Ids) -> None:
    mark = secrets.token_hex(6)
    requests.post(f"{ids.nginx.url}/{mark}", data=b"x" * 20_000, timeout=10)
    log = ids.nginx.folder / "authsvc.log"
    wait_until(lambda: mark in log.read_text())
    (line,) = _with(mark, log)
    assert " 413 " in line and len(line.rsplit(" ", 1)[1]) == 32


def test_the_id_that_a_stranger_chose_is_nowhere(ids: Ids, simulator: Simulator) -> None:
    ids.sent("/api/v1/auth/login", {"code": simulator.code("chooses")}, 200)
    requests.get(f"{ids.service.url}/healthz", headers={"X-Request-Id": "x\tforged request_id"}, timeout=10)
    assert _with("chosen-by-a-stranger", ids.service.log) == []
    assert _with("chosen-by-a-stranger", ids.nginx.folder / "authsvc.log") == []
    assert _with("forged request_id", ids.service.log) == []
    assert ids.service.count("audit_events", "request_id LIKE 'chosen-by-a-stranger%'") == 0
