"""The demo: a login step by step, against the simulator, and another service that verifies the token.

It does not read or write the user's data: it has its own settings and folder, ignores a ``.env``, and passes on only
those environment variables that programs need to run.
"""

import base64
import json
import os
import random
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import jwt
import requests

from authsvc import serving
from authsvc.demo.page import Page, short, shortened
from authsvc.demo.programs import DemoFailed, Programs, Signals, ask, environment, free_port, http, shown

APPID = "wx51a051a000000001"  # the simulator's own; no customer can have it
APP_SECRET = "51a051a051a051a051a051a051a051a0"  # noqa: S105 (the simulator's)
USER = "alice"
SERVICE_PORT, SIMULATOR_PORT = 8000, 8089
_ANOTHER_SERVICE = Path(__file__).with_name("another_service.py")


class Demo:
    """One person, two logins, and another service that verifies both tokens."""

    def __init__(self, page: Page, programs: Programs, folder: Path, service_port: int, simulator_port: int) -> None:
        self.page = page
        self.programs = programs
        self.folder = folder
        self.service = f"http://127.0.0.1:{service_port}"
        self.wechat = f"http://127.0.0.1:{simulator_port}"
        self._port = service_port
        self._settings = {
            "INSTANCE_PATH": str(folder),
            "WX_APPID": APPID,
            "WX_SECRET": APP_SECRET,
            "WX_API_BASE": self.wechat,
            # For miniprogram/ in developer tools without an AppID.
            "WX_TOURIST_APP": APPID,
            "PUBLIC_BASE_URL": self.service,
            "SCAN_SIGN_IN_PAGE": "pages/scan/scan",
            # Each run's simulator can only scan what it has drawn itself; another width makes another picture.
            "QRCODE_WIDTH": str(random.randint(280, 1280)),
            "QRCODE_PER_USER": "1000",
            "WEB_CONCURRENCY": "2",
            "LOG_FORMAT": "text",
        }

    def start(self) -> None:
        """Start the simulator, create keys and database, start the service."""
        simulator = [sys.executable, "-m", "authsvc.wxsim", "--port", self.wechat.rsplit(":", 1)[1]]
        self.programs.start("simulator", [*simulator, "--authsvc", self.service], {})
        self._authsvc("init", "--instance", str(self.folder), "--env-file", str(self.folder / ".env"))
        self.page.fact("keys", f"{shown(self.folder)}/keys/ and {shown(self.folder)}/.env, created now, mode 0600")
        self._authsvc("db", "upgrade")
        self.page.fact("database", f"SQLite, {shown(self.folder)}/authsvc.db (authsvc db upgrade)")
        gunicorn = [sys.executable, "-m", "gunicorn", "-c", str(serving.CONFIGURATION)]
        self.programs.start("authsvc", [*gunicorn, "--bind", f"127.0.0.1:{self._port}"], self._settings)
        self.programs.wait_for(f"{self.wechat}/control/health")
        self.page.fact("WeChat", f"{self.wechat}  the simulator, AppID {APPID}")
        self.programs.wait_for(f"{self.service}/readyz")
        self.page.fact("authsvc", f"{self.service}  gunicorn, 2 workers, ready")

    def _authsvc(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "authsvc", *arguments]
        done = subprocess.run(
            command, cwd=self.folder, env=environment(self._settings), capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise DemoFailed(f"authsvc {' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")

    def play(self) -> None:
        """Go through both logins, and explain each step."""
        self.page.title("1. A front end that sends the profile signs in: POST /user/wxlogin")
        token = self._log_in_with_profile()
        self.page.title("2. The token: everybody can read it, only authsvc can sign it")
        claims = self._show_token(token)
        self.page.title("3. Another service verifies it with the public keys alone")
        self._verify(token, claims)
        self.page.title("4. The same person through authsvc's own API: POST /api/v1/auth/login")
        self._log_in_natively(claims["sub"])

    def _log_in_with_profile(self) -> str:
        page, code = self.page, self._wx_login()
        info = ask("POST", f"{self.wechat}/phone/userinfo", json={"appid": APPID, "user": USER})
        sealed = {"encryptedData": info["encryptedData"], "iv": info["iv"]}
        page.step("mini program → WeChat", "wx.getUserInfo(), encrypted with the session_key")
        page.got(shortened(sealed))
        body = {"platCode": code, "platUserInfoMap": sealed}
        answer = ask("POST", f"{self.service}/user/wxlogin", json=body)
        page.step("mini program → authsvc", "POST /user/wxlogin")
        page.sent({"platCode": short(code), "platUserInfoMap": shortened(sealed)})
        self._what_wechat_was_asked(code)
        page.step("authsvc", "decrypts encryptedData, finds or creates the user, signs a token")
        page.note("The session_key goes no further; it is stored encrypted.")
        page.step("authsvc → mini program", "200")
        page.got(shortened(answer))
        return str(answer["data"]["token"])

    def _wx_login(self) -> str:
        code = str(ask("POST", f"{self.wechat}/phone/login", json={"appid": APPID, "user": USER})["code"])
        self.page.step("mini program → WeChat", "wx.login()")
        self.page.got(f"code {short(code)}, valid for one login within five minutes")
        return code

    def _what_wechat_was_asked(self, code: str) -> None:
        """Show authsvc's call from the simulator's journal, and WeChat's answer from the simulator's user data."""
        calls = ask("GET", f"{self.wechat}/control/journal", params={"code": code})["calls"]
        if len(calls) != 1:
            raise DemoFailed(f"WeChat was called {len(calls)} times with one code")
        (account,) = ask("GET", f"{self.wechat}/control/users/{USER}", params={"appid": APPID})["accounts"]
        query = {**calls[0]["query"], "js_code": short(code)}
        self.page.step("authsvc → WeChat", f"{calls[0]['method']} {calls[0]['path']}")
        self.page.sent(" ".join(f"{name}={value}" for name, value in query.items()))
        answer = {"openid": account["openid"], "session_key": "***"}
        self.page.got(f"{calls[0]['http_status']} {json.dumps(answer)}")

    def _show_token(self, token: str) -> dict[str, Any]:
        complete = jwt.decode_complete(token, options={"verify_signature": False})
        claims: dict[str, Any] = complete["payload"]
        self.page.fact("header", json.dumps(shortened(complete["header"]), ensure_ascii=False))
        meanings = {
            "iss": "who issued it",
            "aud": "for the services of this mini program",
            "sub": "the user",
            "iat": f"issued {moment(claims['iat'])}",
            "exp": f"ends {moment(claims['exp'])}",
            "jti": "this token",
            "sid": "the session that it belongs to",
            "appid": "the mini program",
        }
        for name, value in claims.items():
            self.page.fact(name, f"{short(str(value), 20):<26} {meanings.get(name, '')}".rstrip())
        return claims

    def _verify(self, token: str, claims: dict[str, Any]) -> None:
        page = self.page
        header = {"Authorization": f"Bearer {token}"}
        page.step("mini program → order service", f"with Authorization: Bearer {short(token)}")
        verdict, altered_verdict = self._other_service(token, altered(token))
        jwks = ask("GET", f"{self.service}/.well-known/jwks.json")
        page.step("order service → authsvc", "GET /.well-known/jwks.json, cached for five minutes")
        page.got("public keys: " + ", ".join(f"{key['kty']} {key['crv']} {short(key['kid'])}" for key in jwks["keys"]))
        if verdict.get("claims") != claims or "refused" not in altered_verdict:
            raise DemoFailed(f"the other service disagrees: {verdict}, {altered_verdict}")
        page.step("order service", f"signature, issuer, audience and time are valid: user {claims['sub']}")
        page.note("It is a separate program, authsvc/demo/another_service.py, and did not ask authsvc about the token.")
        page.note(f"The same token with another sub is refused ({altered_verdict['refused']}).")
        profile = ask("GET", f"{self.service}/api/v1/user/profile", headers=header)
        page.step("mini program → authsvc", "GET /api/v1/user/profile, with the token")
        page.got(shortened(profile))

    def _log_in_natively(self, user_id: str) -> None:
        page, code = self.page, self._wx_login()
        answer = ask("POST", f"{self.service}/api/v1/auth/login", json={"code": code})
        page.step("mini program → authsvc", "POST /api/v1/auth/login")
        page.sent({"code": short(code)})
        self._what_wechat_was_asked(code)
        page.step("authsvc → mini program", "200")
        page.got(shortened(answer))
        data = answer["data"]
        (verdict,) = self._other_service(data["access_token"])
        if verdict.get("claims", {}).get("sub") != user_id or data["user"]["id"] != user_id:
            raise DemoFailed(f"the second login is another user: {verdict}")
        page.step("order service", f"verified: user {user_id} again, in another session")

    def _other_service(self, *tokens: str) -> list[dict[str, Any]]:
        """Ask the other service, a separate program, to verify each token."""
        script = str(_ANOTHER_SERVICE)
        done = subprocess.run(
            [sys.executable, script, self.service, APPID, f"{self.service}/.well-known/jwks.json"],
            input="\n".join(tokens),
            env=environment({}),
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise DemoFailed(f"the other service failed:\n{done.stderr}")
        return [json.loads(line) for line in done.stdout.splitlines()]

    def invite(self) -> None:
        """Show what to try, in lines that can be pasted unchanged."""
        page = self.page
        page.title("Everything keeps running until Ctrl-C")
        page.fact("authsvc", f"{self.service}  /healthz /readyz /openapi.json /.well-known/jwks.json")
        page.fact("phones", f"{self.wechat}/  two simulated phones: open this in a browser")
        page.fact("WeChat", f"{self.wechat}  the simulator (docs/simulator.md)")
        page.fact("log", shown(self.programs.log("authsvc")))
        page.line("\nLog in as somebody else: paste this into another terminal.\n")
        curl = "curl -s --noproxy 127.0.0.1" if any("proxy" in name.lower() for name in os.environ) else "curl -s"
        wechat, service = self.wechat.removeprefix("http://"), self.service.removeprefix("http://")
        page.line("J='Content-Type: application/json'")
        page.line(f"""BOB='{{"appid":"{APPID}","user":"bob"}}'""")
        page.line(f"""CODE=$({curl} {wechat}/phone/login -H "$J" -d "$BOB" | cut -d'"' -f4)""")
        page.line(f"""{curl} {service}/api/v1/auth/login -H "$J" -d "{{\\"code\\":\\"$CODE\\"}}"\necho\n""")


def moment(seconds: int) -> str:
    """Return a time as people read it."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def altered(token: str) -> str:
    """Return the token with another user, but the old signature."""
    header, payload, signature = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    text = json.dumps({**claims, "sub": "1000001"}).encode()
    return ".".join((header, base64.urlsafe_b64encode(text).rstrip(b"=").decode(), signature))


def run(folder: Path, *, port: int | None, simulator_port: int | None, once: bool) -> int:
    """Run the demo until Ctrl-C, or ``once``; return its exit code. Stops everything that it started.

    ``port`` and ``simulator_port``: None for the usual ones, or free ones.
    """
    started = time.monotonic()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    signals, page = Signals(), Page()
    programs = Programs(folder, signals)
    page.title("authsvc: from wx.login() to a token that another service verifies")
    code = 1
    try:
        service_port = free_port(page, "authsvc", SERVICE_PORT, port)
        simulator_port = free_port(page, "the simulator", SIMULATOR_PORT, simulator_port)
        demo = Demo(page, programs, folder, service_port, simulator_port)
        demo.start()
        demo.play()
        page.line(
            f"\nDone in {time.monotonic() - started:.1f} s: one person, two logins, both tokens verified elsewhere."
        )
        if not once:
            _stay(demo, programs, page)
        code = 0
    except KeyboardInterrupt:
        page.line()
        code = 130
    except BrokenPipeError:  # the reader of the output has closed it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (DemoFailed, requests.RequestException) as error:
        click.echo(f"\nThe demo failed: {error}\n", err=True)
    finally:
        signals.ignore()
        http.close()
        stopped = programs.stop()
    if stopped:
        page.line(f"Stopped: {', '.join(stopped)}.")
    return code


def _stay(demo: Demo, programs: Programs, page: Page) -> None:
    demo.invite()
    try:
        while True:
            programs.check()
            time.sleep(0.5)
    except KeyboardInterrupt:
        page.line()
