"""/metrics: who may read it, that it adds up over workers, and that it holds nothing of anybody."""

import ast
import platform
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import Any, get_args

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.values import MutexValue

from authsvc import __version__
from authsvc.clock import SystemClock
from authsvc.values.operator import DatabaseWord
from authsvc.values.wechat import MiniProgram
from authsvc.wechat.client import ENDPOINTS
from tests.harness.inprocess import whole
from tests.harness.leaks import Canaries
from tests.harness.places import ROOT
from tests.harness.redisserver import RedisServer
from tests.harness.service import Service
from tests.harness.simulator import Simulator
from tests.harness.waiting import wait_until

USERS = 40


@pytest.fixture(scope="module")
def counted(start_service: Callable[..., Service]) -> Iterator[Service]:
    """A service of its own, so that nobody else's requests are counted."""
    yield start_service("metrics", workers=3)


def credential(service: Service, canaries: Canaries, name: str, scope: str) -> str:
    made = service.flask("authsvc", "services", "add", name, "--scope", scope, shows_secret=True).strip()
    return canaries.never(f"credential {name}", made)


def samples(service: Service, token: str) -> dict[tuple[str, ...], float]:
    answer = service.call("GET", "/metrics", token=token)
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"].startswith("text/plain")
    families = text_string_to_metric_families(answer.text)
    return {(sample.name, *sample.labels.values()): sample.value for family in families for sample in family.samples}


@pytest.mark.slow
def test_metrics_are_for_those_who_may_read_them(counted: Service, canaries: Canaries) -> None:
    assert counted.call("GET", "/metrics").status_code == 404
    other = credential(counted, canaries, "billing", "access_token")
    reader = credential(counted, canaries, "prometheus", "metrics")
    assert counted.call("GET", "/metrics").status_code == 401
    assert counted.call("GET", "/metrics", token="prometheus.wrong").status_code == 401
    assert counted.call("GET", "/metrics", token=other).status_code == 403
    assert counted.call("GET", "/metrics", token=reader).status_code == 200


@pytest.mark.slow
def test_every_worker_counts_and_the_number_of_series_does_not_follow_the_users(
    counted: Service, simulator: Simulator, canaries: Canaries, figures: Callable[[str], None]
) -> None:
    reader = credential(counted, canaries, "grafana", "metrics")
    before = samples(counted, reader)
    for number in range(USERS):
        tap = simulator.call(
            "POST",
            "/phone/phonenumber",
            {"appid": simulator.appid, "user": f"counted-{number}", "phone": f"138222{number:05d}"},
        )
        login = counted.call(
            "POST",
            "/api/v1/auth/login",
            json={"code": simulator.code(f"counted-{number}"), "phoneCode": tap["code"]},
            headers={"Connection": "close"},  # another connection each time, for another worker
        )
        assert login.status_code == 200, login.text
        counted.call("GET", f"/nowhere/{number}")
    after = samples(counted, reader)

    def grown(*key: str) -> float:
        return after.get(key, 0) - before.get(key, 0)

    assert grown("authsvc_requests_total", "POST /api/v1/auth/login", "2xx") == USERS
    assert grown("authsvc_requests_total", "none", "4xx") == USERS
    assert grown("authsvc_wechat_calls_total", "/sns/jscode2session", "ok") == USERS
    assert grown("authsvc_phone_calls_total", "answered") == USERS
    assert grown("authsvc_request_seconds_count", "auth") == USERS
    assert len(after) < 500
    figures(f"/metrics: {len(after)} series after {USERS} people")
    text = " ".join(label for key in after for label in key)
    assert not re.search(r"counted-\d|nowhere|138222", text)


def test_refusals_and_budgets_are_counted_by_name(counted: Service, simulator: Simulator, canaries: Canaries) -> None:
    reader = credential(counted, canaries, "alerts", "metrics")
    code = simulator.code("refused")
    token = counted.call("POST", "/api/v1/auth/login", json={"code": code}).json()["data"]["access_token"]
    assert counted.call("POST", "/api/v1/auth/login", json={"code": code}).status_code == 401
    assert (
        counted.call("POST", "/api/v1/me/phone", token=token, json={"code": "unknown-code-00000000"}).status_code == 400
    )
    found = samples(counted, reader)
    assert found["authsvc_wechat_calls_total", "/sns/jscode2session", "wx_code_used"] == 1
    assert found["authsvc_phone_calls_total", "wx_phone_code_invalid"] == 1


def test_the_documents_list_is_that_of_the_code(counted: Service, canaries: Canaries) -> None:
    """Every series, with its labels; and what is kept from the first moment on is there."""
    made = {}
    for node in ast.walk(ast.parse((ROOT / "authsvc" / "metrics.py").read_text(encoding="utf-8"))):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in ("Counter", "Gauge", "Histogram")
        ):
            name = ast.literal_eval(node.args[0]) + ("_total" if node.func.id == "Counter" else "")
            made[name] = set(ast.literal_eval(node.args[2])) if len(node.args) > 2 else set()
    rows = re.findall(r"^\| (`authsvc_.*?) \| (.*?) \|", (ROOT / "docs" / "metrics.md").read_text(), re.MULTILINE)
    described = {
        name: set(re.findall(r"`(\w+)`(?:: |,|;|$)", labels))
        for names, labels in rows
        for name in names.replace("`", "").split(", ")
    }
    assert {name: labels <= described.get(name, set()) for name, labels in made.items()} == dict.fromkeys(made, True)
    assert set(described) == set(made)
    families = {
        key[0].removesuffix("_count") for key in samples(counted, credential(counted, canaries, "list", "metrics"))
    }
    assert families >= set(made) - {name for name in made if name.startswith("authsvc_access_token")}


@pytest.mark.slow
def test_what_raises_an_alarm_is_counted_from_zero(start_briefly: Callable[..., Service], canaries: Canaries) -> None:
    service = start_briefly("zeros", workers=1)
    found = samples(service, credential(service, canaries, "zeros", "metrics"))
    zeros = {key for key, value in found.items() if value == 0}
    assert {("authsvc_database_faults_total", word) for word in get_args(DatabaseWord)} <= zeros
    for endpoint in (*ENDPOINTS, "/cgi-bin/stable_token"):
        for outcome in ("ok", "wx_misconfigured", "wx_quota_exhausted", "wechat_unavailable", "wechat_no_answer"):
            assert ("authsvc_wechat_calls_total", endpoint, outcome) in zeros
    assert ("authsvc_phone_calls_total", "phone_calls_stopped") in zeros
    assert found["authsvc_build_info", "sqlite", platform.python_version(), __version__] == 1


@pytest.mark.slow
def test_a_breaker_that_opens_shows_until_wechat_answers_again(
    start_briefly: Callable[..., Service], simulator: Simulator, canaries: Canaries
) -> None:
    service = start_briefly("breaker", workers=1)
    reader = credential(service, canaries, "breaker", "metrics")
    simulator.fault({"kind": "http_status", "status": 502}, times=None)
    for _ in range(8):
        service.login(simulator.code("breaker"))
    assert samples(service, reader)["authsvc_wechat_breakers_open",] == 1
    assert service.login(simulator.code("breaker")).json()["error"] == "wechat_overloaded"
    simulator.clear()
    wait_until(lambda: service.login(simulator.code("breaker")).status_code == 200)
    assert samples(service, reader)["authsvc_wechat_breakers_open",] == 0


@pytest.mark.slow
def test_what_hangs_at_wechat_is_in_flight(
    start_briefly: Callable[..., Service], simulator: Simulator, canaries: Canaries
) -> None:
    service = start_briefly("in-flight", workers=2)
    reader = credential(service, canaries, "in-flight", "metrics")
    codes = [simulator.code(f"in-flight-{number}") for number in range(12)]
    simulator.slow_down(4)
    try:
        with ThreadPoolExecutor(12) as phones:
            answers = [
                phones.submit(requests.post, f"{service.url}/api/v1/auth/login", json={"code": code}, timeout=10)
                for code in codes
            ]
            wait_until(lambda: samples(service, reader)["authsvc_wechat_in_flight",] == 12, 3.5)
            for answer in answers:
                service.keep(answer.result().headers, answer.result().content)
    finally:
        simulator.slow_down(0)
    wait_until(lambda: samples(service, reader)["authsvc_wechat_in_flight",] == 0, 3)


def test_a_login_pays_for_few_writes(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    simulator: Simulator,
    app_secret: str,
    figures: Callable[[str], None],
) -> None:
    """Each takes about a microsecond, of a login's 1,300."""
    writes: list[str] = []
    for kind in ("inc", "set"):
        original = getattr(MutexValue, kind)

        def counting(self: MutexValue, *arguments: float, original: Any = original, **named: Any) -> None:
            writes.append("one")
            original(self, *arguments, **named)

        monkeypatch.setattr(MutexValue, kind, counting)
    app = MiniProgram(simulator.appid, app_secret, audience=simulator.appid)
    with whole(tmp_path, SystemClock(), app, simulator.url) as client:
        for code in simulator.codes("frugal", 3):
            writes.clear()
            assert client.post("/api/v1/auth/login", json={"code": code}).status_code == 200
    figures(f"a login writes {len(writes)} values for /metrics")
    assert 6 <= len(writes) <= 10


@pytest.mark.slow
def test_without_redis_the_workers_say_what_goes_on_without_it(
    start_briefly: Callable[..., Service], simulator: Simulator, canaries: Canaries, run_folder: Path
) -> None:
    folder = run_folder / "metrics-redis"
    folder.mkdir()
    redis_server = RedisServer(folder)
    settings = {"REDIS_URL": redis_server.url, "RATE_LIMIT_LOGIN": "app 50000/minute"}
    service = start_briefly("without-redis", workers=1, settings=settings)
    reader, numbers = credential(service, canaries, "without-redis", "metrics"), count()

    def degraded() -> dict[str, float]:
        user = f"no-redis-{next(numbers)}"  # each may have a few numbers a day
        body = {"code": simulator.code(user), "phoneCode": simulator.phone_code(user)}
        assert service.call("POST", "/api/v1/auth/login", json=body).status_code == 200
        found = samples(service, reader)
        return {part: found["authsvc_degraded_workers", part] for part in ("rate_limits", "access_tokens")}

    try:
        assert degraded() == {"rate_limits": 0, "access_tokens": 0}
        redis_server.stop()
        wait_until(lambda: degraded() == {"rate_limits": 1, "access_tokens": 1})
        redis_server.start()
        wait_until(lambda: degraded() == {"rate_limits": 0, "access_tokens": 0}, 20)
    finally:
        redis_server.stop()
