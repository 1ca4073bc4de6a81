"""The WeChat simulator as its own process, and what a test asks of it."""

import json
import os
import sys
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

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
        self._users: set[tuple[str, str]] = set()
        self._http = requests.Session()
        arguments = [f"--app={':'.join(part for part in app if part)}" for app in apps]
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("WX_", "WECHAT_"))}
        # A session_key changes when a test says so, not because a minute went by: the leak scan wants them all.
        arguments.append("--min-refresh-seconds=86400")
        self.process = Process(
            [sys.executable, "-m", "authsvc.wxsim", "--port", str(port), *arguments],
            log=folder / "simulator.txt",
            env=environment,
            cwd=folder,
        )
        self.process.wait_for(f"{self.url}/control/health")

    def call(self, method: str, path: str, /, body: dict[str, Any] | None = None, **query: Any) -> Any:
        """Call the phone or control interface and return its JSON."""
        answer = self._http.request(method, self.url + path, json=body, params=query, timeout=10)
        assert answer.ok, (path, answer.status_code, answer.text)
        return answer.json() if answer.content else None

    def code(self, user: str, **options: Any) -> str:
        """What ``wx.login`` gives this user."""
        body = {"appid": self.appid, "user": user, **options}
        code: str = self.call("POST", "/phone/login", body)["code"]
        if "rotate" in options or (self.appid, user) not in self._users:
            self._users.add((self.appid, user))
            self._note(user)
        return self._canaries.not_in_logs("login code", code)

    def codes(self, user: str, count: int) -> list[str]:
        """As many codes of one user, as if ``wx.login`` had been called again and again."""
        first, rest = self.code(user), count - 1
        with closing(HTTPConnection(urlsplit(self.url).netloc)) as connection:
            more = [self._code(connection, user) for _ in range(rest)]
        return [first, *more]

    def _code(self, connection: HTTPConnection, user: str) -> str:
        """As ``code``, without what ``requests`` spends on each call."""
        body = json.dumps({"appid": self.appid, "user": user})
        connection.request("POST", "/phone/login", body, {"Content-Type": "application/json"})
        return self._canaries.not_in_logs("login code", json.load(connection.getresponse())["code"])

    def account(self, user: str) -> dict[str, Any]:
        """What WeChat knows of this user in the default app: openid, unionid, session_key."""
        found = self._note(user)["accounts"]
        if not found:  # an account is made when somebody opens the mini program
            self.code(user)
            found = self._note(user)["accounts"]
        account: dict[str, Any] = next(entry for entry in found if entry["appid"] == self.appid)
        return account

    def pin(self, user: str, **values: Any) -> None:
        """Fix what WeChat knows of this user."""
        self.call("PUT", f"/control/users/{user}", {"appid": self.appid, **values})
        self._note(user)

    def _note(self, user: str) -> dict[str, Any]:
        """Tell the leak scan what of this user must not show."""
        known: dict[str, Any] = self.call("GET", f"/control/users/{user}")
        self._canaries.not_in_logs("phone number", known["phone"])
        for account in known["accounts"]:
            self._canaries.not_in_logs("openid", account["openid"])
            if account["session_key"]:
                self._canaries.never("session_key", account["session_key"])
        return known

    def userinfo(self, user: str, **options: Any) -> dict[str, Any]:
        """What ``wx.getUserInfo`` gives this user."""
        found: dict[str, Any] = self.call("POST", "/phone/userinfo", {"appid": self.appid, "user": user, **options})
        return found

    def sealed(self, user: str, **options: Any) -> dict[str, Any]:
        """The four members of ``wx.getUserInfo`` that a front end sends on."""
        info = self.userinfo(user, **options)
        return {name: info[name] for name in ("encryptedData", "iv", "rawData", "signature")}

    def phone_code(self, user: str, **options: Any) -> str:
        """What the phone button gives this user."""
        body = {"appid": self.appid, "user": user, **options}
        code: str = self.call("POST", "/phone/phonenumber", body)["code"]
        return self._canaries.not_in_logs("phone code", code)

    def tokens(self, kind: str = "stable_token") -> dict[str, Any]:
        """How often an access_token was fetched and minted, and the current one."""
        shown = self.call("GET", "/control/tokens")["tokens"]
        found: dict[str, Any] = next(t for t in shown if (t["appid"], t["kind"]) == (self.appid, kind))
        if "access_token" in found:
            self._canaries.not_in_logs("access_token", found["access_token"])
        return found

    def kill_token(self, kind: str = "stable_token") -> None:
        """Let the current access_token answer 40001, as a forced refresh elsewhere does."""
        self.tokens(kind)
        self.call("POST", "/control/tokens/kill", {"appid": self.appid, "kind": kind})

    def fault(
        self,
        fault: dict[str, Any],
        *,
        times: int | None = 1,
        code: str | None = None,
        path: str = "/sns/jscode2session",
    ) -> None:
        """Let the next calls of an endpoint go wrong."""
        body = {"path": path, "times": times, "code": code, "fault": fault}
        self.call("POST", "/control/faults", body)

    def script(self, *faults: dict[str, Any], code: str) -> None:
        """Let the calls with this code go wrong one after the other, each in its way."""
        self.call("POST", "/control/faults", {"path": "/sns/jscode2session", "code": code, "script": list(faults)})

    def slow_down(self, seconds: float) -> None:
        """Let every answer of WeChat take this long."""
        self.call("POST", "/control/settings", {"latency": seconds})

    def clear(self) -> None:
        """Forget faults, slowness and journal."""
        self.slow_down(0)
        self.call("DELETE", "/control/faults")
        self.call("DELETE", "/control/journal")

    def journal(self, **query: Any) -> list[dict[str, Any]]:
        """Every call that reached WeChat, oldest first."""
        calls: list[dict[str, Any]] = self.call("GET", "/control/journal", **query)["calls"]
        return calls
