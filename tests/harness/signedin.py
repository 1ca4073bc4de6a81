"""People who are signed in, by each front end's own way, and what their session hands out."""

from dataclasses import dataclass, field
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


@dataclass(frozen=True)
class Person:
    """Somebody with a phone: who they are at the simulator, and what their login at a service has given them."""

    service: Service
    simulator: Simulator
    name: str
    tokens: dict[str, Any] = field(repr=False)

    @property
    def access(self) -> str:
        return str(self.tokens["access_token"])

    @property
    def refresh(self) -> str:
        return str(self.tokens["refresh_token"])

    @property
    def user_id(self) -> str:
        return str(self.tokens["user"]["id"])

    @property
    def sid(self) -> str:
        return str(claims(self.access)["sid"])

    @property
    def bearer(self) -> dict[str, str]:
        """The header in which the access token travels."""
        return {"Authorization": f"Bearer {self.access}"}

    def call(self, method: str, path: str, **options: Any) -> requests.Response:
        return self.service.call(method, path, token=self.access, **options)

    def does(self, method: str, path: str, **options: Any) -> Any:
        """What a call gives that must succeed."""
        answer = self.call(method, path, **options)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    def request(self, method: str, path: str, after: float = 0.0) -> Request:
        """A call without a body, for a crowd to send."""
        return Request(method, self.service.url + path, None, self.bearer, after)

    def code(self, **options: Any) -> str:
        """What ``wx.login`` gives them."""
        return self.simulator.code(self.name, **options)

    def refreshed(self) -> "Person":
        """The same session with its next tokens."""
        return _given(self.service, self.simulator, self.name, refreshed(self.service, self.refresh))


def native(service: Service, simulator: Simulator, name: str, *, code: str | None = None, **options: Any) -> Person:
    """Sign in by the native contract."""
    return _given(service, simulator, name, service.login(code or simulator.code(name), **options))


def _given(service: Service, simulator: Simulator, name: str, answer: requests.Response) -> Person:
    assert answer.status_code == 200, answer.text
    return Person(service, simulator, name, answer.json()["data"])


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
