"""Signing in, over real HTTP, against the simulator."""

import secrets

import jwt
import pytest

from tests.conftest import APPID
from tests.harness.service import ISSUER, Service
from tests.harness.simulator import Simulator


def test_a_stranger_signs_in_with_a_code_and_another_service_verifies_the_token(
    simulator: Simulator, each_service: Service
) -> None:
    reply = each_service.call(
        "POST", "/api/v1/auth/login", json={"code": simulator.code(f"lan-{secrets.token_hex(4)}")}
    )
    assert reply.status_code == 200, reply.text
    body = reply.json()
    assert (body["code"], body["msg"], body["data"]["is_new_user"]) == (0, "ok", True)

    keys = jwt.PyJWKClient(f"{each_service.url}/.well-known/jwks.json")
    token = body["data"]["access_token"]
    key = keys.get_signing_key_from_jwt(token)
    claims = jwt.decode(token, key, ["ES256"], audience=APPID, issuer=ISSUER)
    assert claims["sub"] == body["data"]["user"]["id"]
    assert set(claims) == {"iss", "aud", "sub", "iat", "exp", "jti", "sid", "appid"}


def test_signing_in_again_is_the_same_user_in_another_session(simulator: Simulator, each_service: Service) -> None:
    mei = f"mei-{secrets.token_hex(4)}"
    replies = [
        each_service.call("POST", "/api/v1/auth/login", json={"code": simulator.code(mei)}).json()["data"]
        for _ in range(2)
    ]
    sessions = [jwt.decode(r["access_token"], options={"verify_signature": False})["sid"] for r in replies]
    assert replies[0]["user"]["id"] == replies[1]["user"]["id"]
    assert [r["is_new_user"] for r in replies] == [True, False]
    assert sessions[0] != sessions[1]


def test_the_profile_of_get_user_info_comes_back_field_for_field(simulator: Simulator, each_service: Service) -> None:
    code = simulator.code("hua")
    info = simulator.userinfo("hua")
    sealed = {name: info[name] for name in ("encryptedData", "iv", "rawData", "signature")}
    reply = each_service.call("POST", "/user/wxlogin", json={"platCode": code, "platUserInfoMap": sealed})
    assert reply.status_code == 200, reply.text
    data = reply.json()["data"]
    assert {name: data[name] for name in info["userInfo"]} == info["userInfo"]

    profile = each_service.call("GET", "/api/v1/user/profile", token=data["token"]).json()
    assert (profile["code"], profile["data"]["nickname"]) == (200, info["userInfo"]["nickName"])
    assert profile["data"]["openid"] == data["openId"]


def test_a_used_code_is_refused_in_each_shape(simulator: Simulator, service: Service) -> None:
    code = simulator.code("yun")
    assert service.call("POST", "/user/wxlogin", json={"platCode": code}).status_code == 200
    again = service.call("POST", "/user/wxlogin", json={"platCode": code})
    assert (again.status_code, again.json()) == (400, {"code": 400, "msg": "登录凭证已使用，请重新登录", "data": None})
    native = service.call("POST", "/api/v1/auth/login", json={"code": code}, headers={"Accept-Language": "en"})
    assert (native.status_code, native.json()["error"], native.json()["action"]) == (401, "wx_code_used", "relogin")
    assert native.json()["msg"] == "The login code was already used; call wx.login again"


@pytest.mark.parametrize("route", ["/wx/login", "/login/wechatLogin"])
def test_a_look_with_head_spends_no_code(service: Service, simulator: Simulator, route: str) -> None:
    code = simulator.code("looked at")
    head = service.call("HEAD", route, params={"code": code})
    assert (head.status_code, head.headers["Allow"]) == (405, "GET")
    assert simulator.journal(code=code) == []
