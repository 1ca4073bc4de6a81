"""An operator, and their browser: what a test sends to the console with its headers in its hands."""

import re
import secrets
from dataclasses import dataclass
from typing import Any

import requests

from authsvc.values.operator import OperatorRole
from tests.harness.inprocess import beside
from tests.harness.service import ISSUER, Service

COOKIE = "__Host-authsvc-console"
SIGN_IN = "/console/sign-in"
OURS = {"Origin": ISSUER, "Sec-Fetch-Site": "same-origin"}


def new_operator(service: Service, role: OperatorRole) -> tuple[str, str]:
    """Make an operator as the command does; return name and credential, which no log may hold."""
    name = f"{role}-{secrets.token_hex(6)}"
    with beside(service) as app:
        credential: str = app.extensions["authsvc"].operators.add(name, role)
    return name, service.canaries.never("credential of an operator", credential)


@dataclass
class Desk:
    """A browser in which somebody may be signed in to the console. It never follows a redirect."""

    service: Service
    name: str = ""
    token: str = ""

    def send(self, method: str, path: str, headers: dict[str, str] | None = None, **options: Any) -> requests.Response:
        """Send a request with the cookie."""
        cookie = {"Cookie": f"{COOKIE}={self.token}"} if self.token else {}
        headers = {**cookie, **(headers or {})}
        return self.service.call(method, path, headers=headers, allow_redirects=False, **options)

    def get(self, path: str, **headers: str) -> requests.Response:
        """Ask for a page."""
        return self.send("GET", path, headers)

    def post(self, path: str, headers: dict[str, str] = OURS, **members: str) -> requests.Response:
        """Send a form with these members, by default from our own origin."""
        return self.send("POST", path, headers, data=members)

    def csrf(self) -> str:
        """What the forms of this session's pages carry."""
        found = re.search(r'name="csrf" value="([0-9a-f]{64})"', self.get("/console").text)
        assert found
        return found[1]


def enter(service: Service, credential: str) -> requests.Response:
    """Send the form of the sign-in page."""
    return Desk(service).post(SIGN_IN, credential=credential)


def at_the_desk(service: Service, role: OperatorRole) -> Desk:
    """Make an operator and sign them in."""
    name, credential = new_operator(service, role)
    answer = enter(service, credential)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/console"), answer.text
    found = re.match(rf"{COOKIE}=([\w-]{{43}});", answer.headers["Set-Cookie"])
    assert found
    return Desk(service, name, service.canaries.not_in_logs("session of an operator", found[1]))
