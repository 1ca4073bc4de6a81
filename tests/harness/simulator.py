"""The WeChat simulator as its own process, and what a test asks of it."""

import os
import sys
from pathlib import Path
from typing import Any

import requests

from tests.harness.leaks import Canaries
from tests.harness.processes import Process, free_port


class Simulator:
    """A running simulator. ``apps`` are (appid, secret, Open Platform group or None)."""

    def __init__(self, folder: Path, canaries: Canaries, apps: list[tuple[str, str, str | None]]) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.appid = apps[0][0]
        self._canaries = canaries
        self._http = requests.Session()
        arguments = [f"--app={':'.join(part for part in app if part)}" for app in apps]
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("WX_", "WECHAT_"))}
        self.process = Process(
            [sys.executable, "-m", "authsvc.wxsim", "--port", str(port), *arguments],
            log=folder / "simulator.txt",
            env=environment,
            cwd=folder,
        )
        self.process.wait_for(f"{self.url}/control/health")

    def call(self, method: str, path: str, body: dict[str, Any] | None = None, **query: Any) -> Any:
        """Call the phone or control interface and return its JSON."""
        answer = self._http.request(method, self.url + path, json=body, params=query, timeout=10)
        assert answer.ok, (path, answer.status_code, answer.text)
        return answer.json() if answer.content else None

    def code(self, user: str, **options: Any) -> str:
        """What ``wx.login`` gives this user."""
        body = {"appid": self.appid, "user": user, **options}
        code: str = self.call("POST", "/phone/login", body)["code"]
        return self._canaries.not_in_logs("login code", code)

    def userinfo(self, user: str, **options: Any) -> dict[str, Any]:
        """What ``wx.getUserInfo`` gives this user."""
        found: dict[str, Any] = self.call("POST", "/phone/userinfo", {"appid": self.appid, "user": user, **options})
        return found

    def sealed(self, user: str, **options: Any) -> dict[str, Any]:
        """The four members of ``wx.getUserInfo`` that a front end sends on."""
        info = self.userinfo(user, **options)
        return {name: info[name] for name in ("encryptedData", "iv", "rawData", "signature")}

    def fault(self, fault: dict[str, Any], *, times: int | None = 1, code: str | None = None) -> None:
        """Let the next code2session calls go wrong."""
        body = {"path": "/sns/jscode2session", "times": times, "code": code, "fault": fault}
        self.call("POST", "/control/faults", body)

    def clear(self) -> None:
        """Forget faults and journal."""
        self.call("DELETE", "/control/faults")
        self.call("DELETE", "/control/journal")

    def journal(self, **query: Any) -> list[dict[str, Any]]:
        """Every call that reached WeChat, oldest first."""
        calls: list[dict[str, Any]] = self.call("GET", "/control/journal", **query)["calls"]
        return calls
