"""authsvc calls nobody but WeChat: every connection of a service that does all it can is looked at."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from PIL import Image

from tests.harness import signedin
from tests.harness.places import ROOT
from tests.harness.service import Service
from tests.harness.simulator import Simulator

# Read by tests/harness/callsout.py.
CALLS = "AUTHSVC_TEST_CALLS"


def noted(file: Path) -> set[tuple[str, str]]:
    return {tuple(json.loads(line)) for line in file.read_text().splitlines()}


def test_whatever_people_do_nobody_but_wechat_is_called(
    start_briefly: Callable[..., Service], simulator: Simulator, tmp_path: Path
) -> None:
    file = tmp_path / "calls"
    service = start_briefly("calls-out", module="tests.harness.callsout:app", settings={CALLS: str(file)})
    picture = io.BytesIO()
    Image.new("RGB", (64, 64), "green").save(picture, "PNG")
    person = signedin.native(service, simulator, "calling")
    sealed = {"code": simulator.code("calling"), **simulator.sealed("calling", kind="getUserInfo")}
    assert service.call("POST", "/api/v1/auth/login", json=sealed).status_code == 200
    bound = {"code": simulator.phone_code("calling")}
    person.does("POST", "/api/v1/me/phone", json=bound)
    person.does("POST", "/api/v1/me/avatar", files={"file": ("a.png", picture.getvalue(), "image/png")})
    person.does("PUT", "/api/v1/me", json={"nickname": "小明", "avatar_url": "https://elsewhere.test/a.png"})
    person.does("GET", "/api/v1/me/invite/qrcode")
    person.does("GET", "/api/v1/me/export")
    for path in ("/signin", "/readyz", "/openapi.json", "/.well-known/jwks.json", "/.well-known/openid-configuration"):
        assert service.call("GET", path).status_code == 200
    assert service.call("POST", "/api/v1/scan-sign-ins/start", json={}).status_code == 200
    assert person.refreshed().access != person.access
    wechat = urlsplit(simulator.url)
    assert {place for event, place in noted(file) if event == "socket.connect"} == {str((wechat.hostname, wechat.port))}
    assert {name for event, name in noted(file) if event != "socket.connect"} <= {wechat.hostname}


def test_the_check_sees_a_call_to_somebody_else(tmp_path: Path) -> None:
    file = tmp_path / "calls"
    script = """
import contextlib, socket, sys
sys.modules["authsvc.app"] = type(sys)("authsvc.app")
sys.modules["authsvc.app"].create_app = dict
import tests.harness.callsout
with socket.socket() as other, contextlib.suppress(OSError):
    other.setblocking(False)
    other.connect(("192.0.2.1", 9))
with contextlib.suppress(OSError):
    socket.getaddrinfo("elsewhere.invalid", 443)
"""
    environment = {**os.environ, CALLS: str(file), "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", script], env=environment, check=True, timeout=30)
    assert ("socket.connect", "('192.0.2.1', 9)") in noted(file)
    assert ("socket.getaddrinfo", "elsewhere.invalid") in noted(file)
