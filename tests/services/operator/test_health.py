"""Health and readiness: what a load balancer and an operator see before, during and after trouble."""

import json
from collections.abc import Callable, Iterator

import pytest

from tests.harness.processes import free_port
from tests.harness.service import Service

pytestmark = pytest.mark.slow

READY = {"status": "ok", "checks": {"database": True, "migrations": True, "keys": True}}


def unready(service: Service) -> dict[str, bool]:
    answer = service.call("GET", "/readyz")
    assert (answer.status_code, answer.json()["status"]) == (503, "unready"), answer.text
    checks: dict[str, bool] = answer.json()["checks"]
    return checks


@pytest.fixture(params=["sqlite", "mysql"])
def unmigrated(request: pytest.FixtureRequest, start_service: Callable[..., Service]) -> Iterator[Service]:
    """A service whose database is there but empty."""
    started = start_service(f"unmigrated-{request.param}", database=request.param, workers=1, migrated=False)
    yield started
    started.stop()


def test_before_the_migrations_it_is_alive_but_not_ready(unmigrated: Service) -> None:
    assert unmigrated.call("GET", "/healthz").json()["status"] == "ok"
    assert unready(unmigrated) == {"database": True, "migrations": False, "keys": True}
    login = unmigrated.call("POST", "/api/v1/auth/login", json={"code": "never-sent-to-wechat-really"})
    assert login.status_code >= 400
    unmigrated.flask("db", "upgrade")
    answer = unmigrated.call("GET", "/readyz")
    assert (answer.status_code, answer.json()) == (200, READY)  # no restart needed
    unmigrated.flask("db", "downgrade")
    assert unready(unmigrated)["migrations"] is False


def test_a_running_service_is_ready(each_service: Service) -> None:
    answer = each_service.call("GET", "/readyz")
    assert (answer.status_code, answer.json()) == (200, READY)


def test_a_migration_that_this_version_does_not_know_is_not_ready(unmigrated: Service) -> None:
    unmigrated.flask("db", "upgrade")
    unmigrated.rows("UPDATE authsvc_migrations SET version_num = '9999'")
    assert unready(unmigrated) == {"database": True, "migrations": False, "keys": True}


def test_without_its_database_it_is_alive_but_not_ready(start_service: Callable[..., Service]) -> None:
    nobody_there = {"DATABASE_URL": f"mysql://root@127.0.0.1:{free_port()}/authsvc"}
    service = start_service("databaseless", workers=1, migrated=False, settings=nobody_there)
    assert unready(service) == {"database": False, "migrations": False, "keys": True}
    assert service.call("GET", "/healthz").json()["status"] == "ok"
    service.stop()


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_health_is_never_cached_never_enveloped_and_open_to_all(service: Service, path: str) -> None:
    answer = service.call("GET", path)
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Content-Type"] == "application/json"
    assert not {"code", "msg", "data", "request_id"} & set(answer.json())


def test_readiness_names_conditions_and_nothing_of_the_set_up(service: Service) -> None:
    text = json.dumps(service.call("GET", "/readyz").json())
    for hidden in (str(service.folder), "sqlite", "authsvc.db", service.appid):
        assert hidden not in text
