"""A disabled or closed user is refused on every path, at once, in the caller's shape, and nothing is written."""

from types import SimpleNamespace

import pytest

from authsvc.errors import AuthSvcError
from authsvc.services.accounts.accounts import refuse_inactive
from tests.harness.service import Service
from tests.harness.simulator import Simulator

KEY = {"Idempotency-Key": "the-same-login"}


@pytest.mark.parametrize("status", ["disabled", "closed"])
def test_a_disabled_or_closed_user_gets_nowhere(simulator: Simulator, each_service: Service, status: str) -> None:
    with pytest.raises(AuthSvcError) as rule:
        refuse_inactive(SimpleNamespace(id=1, status=status))
    refusal = rule.value
    service, user = each_service, f"{status}-user"
    code = simulator.code(user)
    login = service.call("POST", "/api/v1/auth/login", json={"code": code}, headers=KEY).json()["data"]
    user_id = int(login["user"]["id"])
    service.rows(f"UPDATE users SET status = '{status}' WHERE id = {user_id}")
    sessions = service.rows(f"SELECT * FROM sessions WHERE user_id = {user_id}")
    identity = service.rows(f"SELECT * FROM identities WHERE user_id = {user_id}")

    native = [
        service.call("POST", "/api/v1/auth/login", json={"code": code}, headers=KEY),  # the first login, asked again
        service.call("POST", "/api/v1/auth/login", json={"code": simulator.code(user, rotate=True)}),
        service.call("POST", "/api/v1/auth/login", json={"code": simulator.code(user)}, headers=KEY),
    ]
    for answer in native:
        assert (answer.status_code, answer.json()["error"]) == (403, refusal.error)
        assert (answer.json()["action"], answer.json()["data"]) == ("contact", None)

    body = {"platCode": simulator.code(user), "platUserInfoMap": simulator.sealed(user)}
    contract = service.call("POST", "/user/wxlogin", json=body)
    assert (contract.status_code, contract.json()) == (403, {"code": 403, "msg": refusal.zh, "data": None})

    guarded = service.call("GET", "/api/v1/user/profile", token=login["access_token"])
    assert (guarded.status_code, guarded.json()["error"]) == (403, "Forbidden")

    assert service.rows(f"SELECT * FROM sessions WHERE user_id = {user_id}") == sessions
    assert service.rows(f"SELECT * FROM identities WHERE user_id = {user_id}") == identity
    service.rows(f"UPDATE users SET status = 'active' WHERE id = {user_id}")
    assert service.call("GET", "/api/v1/user/profile", token=login["access_token"]).status_code == 200
