"""A browser that wants to be signed in, and the phone that scans its code."""

import base64
import io
from dataclasses import dataclass
from typing import Any

import requests
import zxingcpp
from PIL import Image

from tests.harness.crowd import Request, post
from tests.harness.service import Service

ROUTE = "/api/v1/scan-sign-ins"
DRAWING = "/wxa/getwxacodeunlimit"


@dataclass(frozen=True, slots=True)
class Browser:
    """One attempt of one browser: its id, the cookie it got, and the ticket in the pixels of its code."""

    id: str
    cookie: str
    ticket: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Cookie": self.cookie}


def start(service: Service, body: dict[str, Any] | None = None, **headers: str) -> Browser:
    """A browser asks for a code."""
    answer = service.call("POST", f"{ROUTE}/start", json=body or {}, headers=headers)
    assert answer.status_code == 200, answer.text
    data = answer.json()["data"]
    cookie = answer.headers["Set-Cookie"].partition(";")[0]
    service.canaries.not_in_logs("browser secret", cookie.partition("=")[2])
    ticket = service.canaries.not_in_logs("scan ticket", ticket_of(data["picture"]))
    # Kept out of call's cookie jar: a test says which browser asks.
    service.forget_cookies()
    return Browser(data["id"], cookie, ticket)


def poll(service: Service, browser: Browser, **headers: str) -> requests.Response:
    """That browser asks how far it is; ``headers`` instead of its own where given."""
    return service.call("POST", f"{ROUTE}/poll", json={"id": browser.id}, headers=headers or browser.headers)


def poll_request(service: Service, browser: Browser, after: float = 0.0) -> Request:
    """The same, for a crowd to send."""
    return post(f"{service.url}{ROUTE}/poll", {"id": browser.id}, after, **browser.headers)


def state(service: Service, browser: Browser) -> str:
    """How far it is."""
    answer = poll(service, browser)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["data"]["state"])


def phone(service: Service, what: str, ticket: str, token: str, **headers: str) -> requests.Response:
    """The phone scans, approves or refuses."""
    return service.call("POST", f"{ROUTE}/{what}", json={"ticket": ticket}, token=token, headers=headers)


def phone_request(service: Service, what: str, ticket: str, token: str) -> Request:
    """The same, for a crowd to send."""
    url, step_up = f"{service.url}{ROUTE}/{what}", service.step_up(token) if what == "approve" else {}
    return post(url, {"ticket": ticket}, **step_up, Authorization=f"Bearer {token}")


def ticket_of(picture: str) -> str:
    """The ticket in the picture of an answer."""
    return scene_of(base64.b64decode(picture.partition(",")[2])).removeprefix("t=")


def scene_of(picture: bytes) -> str:
    """What a phone reads in the pixels of a picture."""
    with Image.open(io.BytesIO(picture)) as image:
        [code] = zxingcpp.read_barcodes(image.convert("RGB"))
    return str(code.text)
