"""deploy/: the alert rules and the dashboard, checked by promtool and by a Prometheus that scrapes the real service."""

import json
import math
import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator

import pytest

from tests.harness.leaks import Canaries
from tests.harness.nginx import DEPLOY
from tests.harness.places import ROOT
from tests.harness.prometheus import PROMTOOL, Prometheus, skip_without_prometheus
from tests.harness.service import Service
from tests.harness.simulator import Simulator
from tests.harness.waiting import wait_until

pytestmark = pytest.mark.slow

DASHBOARD = json.loads((DEPLOY / "grafana-dashboard.json").read_text(encoding="utf-8"))
# What Grafana puts in place of its variables.
VARIABLES = {"$job": "authsvc", "$instance": ".+", "$__rate_interval": "1m"}
_SERIES = re.compile(r"\bauthsvc_\w+")


def queries() -> dict[str, str]:
    """Every query of the dashboard by panel and letter, as Grafana sends it."""
    found = {}
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", []):
            query = target["expr"]
            for name, value in VARIABLES.items():
                query = query.replace(name, value)
            assert "$" not in query, query
            found[f"{panel['title']} {target['refId']}"] = query
    return found


@pytest.fixture(scope="module")
def watched(start_service: Callable[..., Service]) -> Iterator[Service]:
    service = start_service("watched", workers=2, settings={"LOG_LEVEL": "INFO", "ACCESS_LOG": "0"})
    yield service
    service.stop()


@pytest.fixture(scope="module")
def prometheus(
    watched: Service, shared_simulator: Simulator, canaries: Canaries, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Prometheus]:
    """A Prometheus that has seen some logins, good ones and refused ones."""
    skip_without_prometheus()
    made = watched.flask("authsvc", "services", "add", "prometheus", "--scope", "metrics", shows_secret=True).strip()
    server = Prometheus(tmp_path_factory.mktemp("prometheus"), watched, canaries.never("credential", made))
    try:
        server.wait_for_scrapes(1)
        shared_simulator.clear()
        _use(watched, shared_simulator, range(1))
        server.wait_for_scrapes(2)
        _use(watched, shared_simulator, range(1, 20))
        shared_simulator.fault({"kind": "errcode", "errcode": 40125}, times=3)
        assert [watched.login(shared_simulator.code("watched")).status_code for _ in range(3)] == [503] * 3
        server.wait_for_scrapes(3)
        yield server
    finally:
        server.process.stop()


def _use(service: Service, simulator: Simulator, numbers: range) -> None:
    for number in numbers:
        user = f"watched-{number}"
        code = simulator.code(user)
        body = {"code": code, "phoneCode": simulator.phone_code(user)}
        assert service.call("POST", "/api/v1/auth/login", json=body).status_code == 200
        assert service.login(code).status_code == 401
        service.call("GET", "/nowhere")


def test_promtool_accepts_the_rules() -> None:
    skip_without_prometheus()
    done = subprocess.run(
        [str(PROMTOOL), "check", "rules", DEPLOY / "alerts.yml"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_alerts_fire_when_they_should_and_not_before() -> None:
    skip_without_prometheus()
    tests = ROOT / "tests" / "deploy" / "alerts_test.yml"
    done = subprocess.run([str(PROMTOOL), "test", "rules", tests], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_query_of_the_dashboard_gives_data(prometheus: Prometheus) -> None:
    assert len(queries()) > 25
    for name, query in queries().items():
        values = [float(series["value"][1]) for series in prometheus.asked(query)]
        assert any(map(math.isfinite, values)), (name, query, values)


def test_what_the_dashboard_shows_is_what_has_happened(prometheus: Prometheus, watched: Service) -> None:
    value = prometheus.value
    assert value('sum(authsvc_requests_total{route="POST /api/v1/auth/login",status="2xx"})') == 20
    assert value('sum(authsvc_wechat_calls_total{endpoint="/sns/jscode2session",outcome="wx_code_used"})') == 20
    assert value('sum(authsvc_wechat_seconds_count{endpoint="/sns/jscode2session"})') == 43
    assert value("authsvc_workers") == len(watched.workers()) == 2
    assert value("authsvc_wechat_in_flight") == value("authsvc_wechat_breakers_open") == 0
    assert 1 <= value("authsvc_wechat_connections") <= 4
    assert value("authsvc_wechat_in_flight_limit") == 2 * 1500
    assert value("authsvc_database_connections_limit") == 2 * 8
    assert 0 <= value("authsvc_database_connections_in_use") <= 2
    assert value("authsvc_sqlite_turn_seconds_count") > 20 and value("authsvc_sqlite_waiting") == 0
    assert 0 <= value("time() - authsvc_access_token_fetched_timestamp_seconds") < 60
    assert 7000 < value("authsvc_access_token_expiry_timestamp_seconds - time()") <= 7200
    (build,) = prometheus.asked("authsvc_build_info")
    assert build["metric"]["database"] == "sqlite" and build["value"][1] == "1"


def test_every_series_of_rules_and_dashboard_exists(prometheus: Prometheus) -> None:
    known = {series["metric"]["__name__"] for series in prometheus.asked('{job="authsvc",__name__=~"authsvc_.+"}')}
    texts = [*queries().values(), *(rule["query"] for rule in prometheus.rules())]
    named = {name for text in texts for name in _SERIES.findall(text)}
    assert len(named) > 15 and named <= known


def test_the_first_refusal_of_the_secret_raises_the_alarm(prometheus: Prometheus) -> None:
    """The series was there before it, so Prometheus has seen it grow."""
    states = {rule["name"]: rule["state"] for rule in prometheus.rules()}
    assert states["AuthsvcWeChatMisconfigured"] in ("pending", "firing")
    assert states["AuthsvcDown"] == states["AuthsvcDatabaseFault"] == states["AuthsvcSqliteCrowded"] == "inactive"


def test_a_rule_waits_has_a_severity_and_leads_to_what_to_do(prometheus: Prometheus) -> None:
    headings = re.findall(r"^### (\w+)$", (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8"), re.MULTILINE)
    rules = prometheus.rules()
    assert [rule["name"] for rule in rules] == headings
    for rule in rules:
        assert rule["duration"] >= 60 and rule["labels"]["severity"] in ("critical", "warning")
        assert rule["annotations"]["summary"]
        assert rule["annotations"]["runbook"] == f"docs/metrics.md#{rule['name'].lower()}"


def test_after_a_worker_is_killed_the_gauges_are_those_of_the_living(watched: Service, prometheus: Prometheus) -> None:
    folder = watched.folder / "instance" / "metrics" / str(watched.process.pid)

    def counting() -> set[int]:
        return {int(file.stem.rsplit("_", 1)[1]) for file in folder.glob("gauge_livesum_*.db")}

    before = counting()
    assert before == set(watched.workers())
    killed = min(before)
    os.kill(killed, signal.SIGKILL)
    wait_until(lambda: killed not in counting() and len(counting()) == 2, 30)
    prometheus.wait_for_scrapes(2)
    assert prometheus.value("authsvc_workers") == 2
    assert prometheus.value('sum(authsvc_requests_total{route="POST /api/v1/auth/login",status="2xx"})') == 20
