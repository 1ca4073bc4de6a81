"""The phone button tapped, or the profile asked for, before ``wx.login`` replaced the key: the login succeeds.

The most reported failure of this field. Whoever the service has seen before has an earlier key there, and data under it
is opened for ten minutes after the change.
"""

from collections.abc import Callable
from typing import Any

import pytest
import requests

from tests.harness import signedin
from tests.harness.service import Service
from tests.harness.simulator import Simulator

TWIN = "tests.twins.forgets_the_earlier_key:app"


def _one_tap(service: Service, code: str, sealed: dict[str, Any]) -> requests.Response:
    return service.call("POST", "/auth/mp_login", json={"code": code, **sealed})


def _one_tap_by_get(service: Service, code: str, sealed: dict[str, Any]) -> requests.Response:
    return service.call("GET", "/login/wechatLogin", params={"code": code, **sealed})


def _profile(service: Service, code: str, sealed: dict[str, Any]) -> requests.Response:
    return service.call("POST", "/user/wxlogin", json={"platCode": code, "platUserInfoMap": sealed})


def _native(service: Service, code: str, sealed: dict[str, Any]) -> requests.Response:
    return service.login(code, json=sealed)


def _info(simulator: Simulator, user: str) -> dict[str, Any]:
    return simulator.sealed(user)


Login = Callable[[Service, str, dict[str, Any]], requests.Response]
Sealed = Callable[[Simulator, str], dict[str, Any]]
FRONT_ENDS: dict[str, tuple[Login, Sealed]] = {
    "POST /auth/mp_login": (_one_tap, signedin.tapped),
    "GET /login/wechatLogin": (_one_tap_by_get, signedin.tapped),
    "POST /user/wxlogin": (_profile, _info),
    "native": (_native, _info),
}
each_front_end = pytest.mark.parametrize("name", FRONT_ENDS)


@pytest.fixture(scope="module")
def twin(start_service: Callable[..., Service]) -> Service:
    return start_service("forgetful", module=TWIN)


@each_front_end
def test_data_under_the_key_before_this_login_opens(name: str, simulator: Simulator, each_service: Service) -> None:
    answer = _tapped_too_early(simulator, each_service, name, logins_between=0)
    assert answer.status_code == 200, answer.text


@each_front_end
def test_data_under_a_key_that_another_login_has_replaced_opens(
    name: str, simulator: Simulator, each_service: Service
) -> None:
    answer = _tapped_too_early(simulator, each_service, name, logins_between=1)
    assert answer.status_code == 200, answer.text


@each_front_end
def test_data_under_a_key_replaced_twice_is_refused(name: str, simulator: Simulator, each_service: Service) -> None:
    answer = _tapped_too_early(simulator, each_service, name, logins_between=2)
    assert answer.status_code == 400, answer.text


@each_front_end
@pytest.mark.parametrize("logins_between", [0, 1])
def test_the_check_finds_a_service_that_tries_one_key_only(
    name: str, logins_between: int, simulator: Simulator, twin: Service
) -> None:
    assert _tapped_too_early(simulator, twin, name, logins_between).status_code == 400


def test_a_strangers_data_under_a_key_that_the_service_never_saw_is_refused(
    simulator: Simulator, service: Service
) -> None:
    simulator.code("early-stranger")
    sealed = signedin.tapped(simulator, "early-stranger")
    answer = _one_tap(service, simulator.code("early-stranger", rotate=True), sealed)
    assert answer.status_code == 400
    assert service.orphans() == []


def _tapped_too_early(simulator: Simulator, service: Service, name: str, logins_between: int) -> requests.Response:
    """Somebody known taps; ``wx.login`` replaces the key so many times before the login that sends what they tapped."""
    log_in, seal = FRONT_ENDS[name]
    user = f"early-{name.split('/')[-1]}-{logins_between}-{service.folder.name}"
    assert service.login(simulator.code(user)).status_code == 200
    sealed = seal(simulator, user)
    for _ in range(logins_between):
        assert service.login(simulator.code(user, rotate=True)).status_code == 200
    return log_in(service, simulator.code(user, rotate=True), sealed)
