"""session_keys against WeChat: an operator sees which are current, and a reset one opens nothing any more."""

import pytest

from tests.harness.service import Service
from tests.harness.signedin import native, tapped
from tests.harness.simulator import Simulator


def states(service: Service, command: str, user_id: str) -> list[str]:
    printed = service.flask("authsvc", "session-keys", command, user_id)
    return [line.split()[-1] for line in printed.splitlines()[1:]]


@pytest.mark.slow
def test_a_reset_key_opens_nothing_and_its_successor_does(each_service: Service, simulator: Simulator) -> None:
    service = each_service
    person = native(service, simulator, "reset")
    sealed_before = tapped(simulator, "reset")
    assert states(service, "check", person.user_id) == ["current"]
    assert states(service, "reset", person.user_id) == ["reset"]
    assert states(service, "check", person.user_id) == ["current"]

    refused = person.call("POST", "/api/v1/me/phone", json=sealed_before)
    assert (refused.status_code, refused.json()["error"]) == (400, "data_rejected")
    bound = person.call("POST", "/api/v1/me/phone", json=tapped(simulator, "reset"))
    assert bound.status_code == 200, bound.text


@pytest.mark.slow
def test_a_key_that_wechat_has_replaced_is_stale_and_stays(service: Service, simulator: Simulator) -> None:
    person = native(service, simulator, "stale")
    simulator.code("stale", rotate=True)  # another wx.login, whose code never came here
    assert states(service, "check", person.user_id) == ["stale"]
    assert states(service, "reset", person.user_id) == ["stale"]


@pytest.mark.parametrize("command", ["check", "reset"])
@pytest.mark.slow
def test_a_user_who_is_not_there_is_an_error(service: Service, command: str) -> None:
    assert "no such user" in service.flask("authsvc", "session-keys", command, "999999999", fails=True)
