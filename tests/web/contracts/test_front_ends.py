"""Every existing front end works unchanged: scripts that behave like those mini programs, against real processes."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import APPID
from tests.harness import node
from tests.harness.node import Stage
from tests.harness.service import Service
from tests.harness.simulator import Simulator

CONTRACTS = ("bearer", "detail", "code_message_data", "code_msg_data", "success_data")


@pytest.fixture(scope="module", params=["sqlite", "mysql"])
def stage(
    request: pytest.FixtureRequest, run_folder: Path, shared_simulator: Simulator, start_service: Callable[..., Service]
) -> Stage:
    """A service of its own per database, whose clock the scripts move."""
    name = f"front-ends-{request.param}"
    return node.set_stage(name, run_folder, shared_simulator, start_service, database=request.param)


def test_the_phone_behaves_as_wechat_documents_it() -> None:
    (result,) = node.run("wx.selftest.js", {})
    assert len(result["shown"]) == 12


@pytest.mark.parametrize("contract", CONTRACTS)
@pytest.mark.usefixtures("simulator")
def test_the_front_end_works_unchanged(stage: Stage, contract: str) -> None:
    result = stage.play(f"frontends/{contract}.js")
    print("\n".join(result["shown"]))
    assert len(result["shown"]) >= 8


def test_what_was_sealed_for_another_purpose_is_no_ticket(simulator: Simulator, stage: Stage) -> None:
    assert stage.service.login(simulator.code("sealed")).status_code == 200
    openid = simulator.account("sealed")["openid"]
    ((sealed_key,),) = stage.service.rows(f"SELECT session_key FROM identities WHERE openid = '{openid}'")
    body = {"openid": sealed_key, "phone": "13800138000", "sex": 1}
    answer = stage.service.call("POST", "/wx/login", json=body)
    assert (answer.status_code, answer.json()) == (400, {"non_field_errors": ["openid无效"]})


def tokens_of_every_contract(simulator: Simulator, service: Service) -> dict[str, str]:
    """One person's token by contract."""

    def code() -> str:
        return simulator.code("everywhere")

    def by_phone() -> dict[str, str]:
        tapped = simulator.call("POST", "/phone/phonenumber", {"appid": APPID, "user": "everywhere"})
        return {"code": code(), "encryptedData": tapped["encryptedData"], "iv": tapped["iv"]}

    code()
    native = service.login(code()).json()["data"]["access_token"]
    return {
        "native": native,
        "bearer": service.call("POST", "/auth/mp_login", json=by_phone()).json()["access_token"],
        "detail": service.call("GET", "/wx/login", params={"code": code()}).json()["token"],
        "code_message_data": service.call("POST", "/api/v1/auth/wx-login", json={"code": code()}).json()["data"][
            "access_token"
        ],
        "code_msg_data": service.call("POST", "/user/wxlogin", json={"platCode": code()}).json()["data"]["token"],
        "success_data": service.call("GET", "/login/wechatLogin", params=by_phone()).json()["data"]["token"],
    }


def test_a_token_of_any_contract_is_the_same_user_in_every_other_but_renews_in_its_own_alone(
    simulator: Simulator, stage: Stage
) -> None:
    service = stage.service
    tokens = tokens_of_every_contract(simulator, service)
    profiles = [service.call("GET", "/api/v1/user/profile", token=token).json() for token in tokens.values()]
    members = [service.call("GET", "/member/refreshToken", token=token).json() for token in tokens.values()]
    assert [answer["code"] for answer in profiles] == [200] * len(tokens)
    assert [answer["success"] for answer in members] == [True] * len(tokens)
    assert len({answer["data"]["id"] for answer in (*profiles, *members)}) == 1
    renewed = {name: service.call("POST", "/api/v1/auth/refresh", token=token) for name, token in tokens.items()}
    assert {name for name, answer in renewed.items() if answer.status_code == 200} == {"code_message_data"}
    assert {answer.status_code for answer in renewed.values()} == {200, 401}
