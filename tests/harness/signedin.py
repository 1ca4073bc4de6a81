"""People who are signed in, by each front end's own way, and what their session hands out."""

from dataclasses import dataclass
from typing import Any

import jwt
import requests

from tests.harness.crowd import Request, post
from tests.harness.service import Service
from tests.harness.simulator import Simulator

REFRESH = "/api/v1/sessions/refresh"
RENEW = "/api/v1/auth/refresh"
LOGOUT = "/api/v1/sessions/logout"


def claims(token: str) -> dict[str, Any]:
    """What stands in a token, unchecked."""
    found: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return found


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A session: its access token, and its refresh token where it has one."""

    access: str
    refresh: str
    user_id: str

    @property
    def sid(self) -> str:
        return str(claims(self.access)["sid"])


def native(service: Service, code: str, **options: Any) -> SignedIn:
    """Sign in by the native contract."""
    return tokens_of(service.login(code, **options))


def tokens_of(answer: requests.Response) -> SignedIn:
    """What a native login or refresh gave."""
    assert answer.status_code == 200, answer.text
    data = answer.json()["data"]
    return SignedIn(data["access_token"], data["refresh_token"], data["user"]["id"])


def refreshed(service: Service, refresh_token: str) -> requests.Response:
    """Rotate a native session."""
    return service.call("POST", REFRESH, json={"refresh_token": refresh_token})


def refresh_request(service: Service, refresh_token: str, after: float = 0.0) -> Request:
    """The same, for a crowd to send."""
    return post(service.url + REFRESH, {"refresh_token": refresh_token}, after)


def renew_request(service: Service, token: str, after: float = 0.0) -> Request:
    """Renewing the only token of a front end, for a crowd to send."""
    return Request("POST", service.url + RENEW, None, {"Authorization": f"Bearer {token}"}, after)


def code_message_data(service: Service, simulator: Simulator, user: str, **options: Any) -> str:
    """Sign in by the contract whose only token renews itself; return that token."""
    body = {"code": simulator.code(user), "nickName": user}
    answer = service.call("POST", "/api/v1/auth/wx-login", json=body, **options)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["data"]["access_token"])


def code_msg_data(service: Service, simulator: Simulator, user: str) -> str:
    answer = service.call("POST", "/user/wxlogin", json={"platCode": simulator.code(user)})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["data"]["token"])


def bearer(service: Service, simulator: Simulator, user: str) -> str:
    body = {"code": simulator.code(user), **tapped(simulator, user)}
    answer = service.call("POST", "/auth/mp_login", json=body)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["access_token"])


def success_data(service: Service, simulator: Simulator, user: str) -> str:
    query = {"code": simulator.code(user), **tapped(simulator, user)}
    answer = service.call("GET", "/login/wechatLogin", params=query)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["data"]["token"])


def detail(service: Service, simulator: Simulator, user: str) -> str:
    """Sign in by the contract that registers strangers first, for somebody who is known."""
    answer = service.call("GET", "/wx/login", params={"code": simulator.code(user)})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["token"])


def ticket(service: Service, simulator: Simulator, user: str) -> str:
    """What that contract gives a stranger."""
    answer = service.call("GET", "/wx/login", params={"code": simulator.code(user)})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["openid"])


def tapped(simulator: Simulator, user: str, **options: Any) -> dict[str, str]:
    """What the phone button gives this user, encrypted under the session_key of now."""
    body = {"appid": simulator.appid, "user": user, **options}
    answer = simulator.call("POST", "/phone/phonenumber", body)
    return {name: answer[name] for name in ("encryptedData", "iv")}
