"""/metrics: who may read it, that it adds up over workers, and that it holds nothing of anybody."""

import re
from collections.abc import Callable, Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.harness.leaks import Canaries
from tests.harness.service import Service
from tests.harness.simulator import Simulator

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


def test_metrics_are_for_those_who_may_read_them(counted: Service, canaries: Canaries) -> None:
    assert counted.call("GET", "/metrics").status_code == 404
    other = credential(counted, canaries, "billing", "access_token")
    reader = credential(counted, canaries, "prometheus", "metrics")
    assert counted.call("GET", "/metrics").status_code == 401
    assert counted.call("GET", "/metrics", token="prometheus.wrong").status_code == 401
    assert counted.call("GET", "/metrics", token=other).status_code == 403
    assert counted.call("GET", "/metrics", token=reader).status_code == 200


def test_every_worker_counts_and_the_number_of_series_does_not_follow_the_users(
    counted: Service, simulator: Simulator, canaries: Canaries
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
