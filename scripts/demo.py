"""The demo behind scripts/demo: a login step by step, against the simulator. It stops everything that it started.

It does not read or write the user's data: it has its own settings (--folder), ignores a .env of the checkout, and
passes on only those environment variables that programs need to run.
"""

import argparse
import base64
import contextlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jwt
import requests

ROOT = Path(__file__).resolve().parents[1]
APPID = "wx51a051a000000001"  # the simulator's own; no customer can have it
APP_SECRET = "51a051a051a051a051a051a051a051a0"
USER = "alice"
SERVICE_PORT, SIMULATOR_PORT = 8000, 8089
START_SECONDS = 60
# The environment variables for child processes. Settings, proxies and PYTHON* of the user's shell are not passed on.
PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TMPDIR", "TMP", "TEMP", "TZ", "SYSTEMROOT")


class DemoFailed(Exception):
    """The demo cannot continue; the text tells the user why."""


# --- output --------------------------------------------------------------------------------------------------


class Page:
    """Writes the steps: one line per fact, colour on a terminal only."""

    def __init__(self) -> None:
        self._colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
        self._width = min(max(shutil.get_terminal_size((96, 24)).columns, 80), 100)
        self._step = 0

    def line(self, text: str = "") -> None:
        print(text)

    def title(self, text: str) -> None:
        print(f"\n{self._paint('1', text)}\n")

    def fact(self, name: str, text: str) -> None:
        print(f"  {self._paint('36', f'{name:<10}')} {text}")

    def step(self, who: str, what: str) -> None:
        """``who`` is one party, or "one → another"."""
        self._step += 1
        print(f"{self._paint('1;32', f'{self._step:>3}')}  {self._paint('36', who)}: {what}")

    def sent(self, what: object) -> None:
        self._detail("→", what)

    def got(self, what: object) -> None:
        self._detail("←", what)

    def note(self, what: str) -> None:
        self._detail(" ", what)

    def _detail(self, mark: str, what: object) -> None:
        # A name and its value stay on one line.
        text = what if isinstance(what, str) else json.dumps(what, ensure_ascii=False)
        joined = text.replace('": ', '":\0')
        lines = textwrap.wrap(joined, self._width - 13, break_on_hyphens=False, break_long_words=False)
        for number, line in enumerate(lines):
            print(f"       {self._paint('2', mark if number == 0 else ' ')} {line.replace(chr(0), ' ')}")

    def _paint(self, code: str, text: str) -> str:
        return f"\033[{code}m{text}\033[0m" if self._colour else text


def short(text: str, head: int = 8, tail: int = 4) -> str:
    """Return the two ends of a long value: enough to recognise it, but not to use it."""
    return text if len(text) <= head + tail + 1 else f"{text[:head]}…{text[-tail:]}"


def shortened(value: Any) -> Any:
    """Return a JSON value with every long text shortened by ``short``, except addresses of pictures."""
    if isinstance(value, dict):
        return {name: shortened(item) for name, item in value.items()}
    if isinstance(value, str) and len(value) > 40:
        return short(value, 30, 6) if value.startswith("http") else short(value)
    return value


# --- the processes -------------------------------------------------------------------------------------------


class Signals:
    """Ctrl-C, TERM and a closed terminal end the demo in the same way, but never between a start and its recording."""

    def __init__(self) -> None:
        self._held = False
        self._came = False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._arrived)
        if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # nohup
            signal.signal(signal.SIGHUP, self._arrived)

    def _arrived(self, *_: object) -> None:
        self._came = True
        if not self._held:
            raise KeyboardInterrupt

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        self._held = True
        try:
            yield
        finally:
            self._held = False
        if self._came:
            raise KeyboardInterrupt

    @staticmethod
    def ignore() -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)


class Programs:
    """The programs that the demo started, each in its own process group, so that Ctrl-C only reaches the demo."""

    def __init__(self, folder: Path, signals: Signals) -> None:
        self._folder = folder
        self._signals = signals
        self._running: list[tuple[str, subprocess.Popen[bytes]]] = []

    def start(self, name: str, command: list[str], settings: dict[str, str]) -> None:
        """Start a program; its output goes to ``<name>.log`` in the demo's folder."""
        with self.log(name).open("wb") as log, self._signals.held():
            popen = subprocess.Popen(
                command,
                cwd=self._folder,
                env=environment(settings),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            self._running.append((name, popen))

    def log(self, name: str) -> Path:
        return self._folder / f"{name}.log"

    def wait_for(self, url: str) -> None:
        """Return when ``url`` answers 200; raises DemoFailed if a program ends or the time is over."""
        give_up = time.monotonic() + START_SECONDS
        while time.monotonic() < give_up:
            self.check()
            with contextlib.suppress(requests.RequestException):
                if http.get(url, timeout=5).status_code == 200:
                    return
            time.sleep(0.1)
        raise DemoFailed(f"{url} did not answer 200 within {START_SECONDS} s; see the logs in {shown(self._folder)}")

    def check(self) -> None:
        """Raise DemoFailed, with the end of its log, if a program has ended."""
        for name, popen in self._running:
            if popen.poll() is not None:
                tail = "\n".join(self.log(name).read_text(errors="replace").splitlines()[-12:])
                raise DemoFailed(f"{name} ended (exit code {popen.returncode}). The end of its log:\n{tail}")

    def stop(self) -> list[str]:
        """End everything that was started, including children; return the names."""
        for _, popen in reversed(self._running):
            with contextlib.suppress(ProcessLookupError):
                popen.send_signal(signal.SIGINT)
        for _, popen in reversed(self._running):
            with contextlib.suppress(subprocess.TimeoutExpired):
                popen.wait(5)
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(popen.pid, signal.SIGKILL)
            popen.wait()
        names = [name for name, _ in self._running]
        self._running.clear()
        return names


def environment(settings: dict[str, str]) -> dict[str, str]:
    """Return the whole environment of a child."""
    inherited = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    # Flask would look for a .env in every folder above the demo's.
    own = {"FLASK_SKIP_DOTENV": "1", "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"}
    return {**inherited, **own, **settings}


def free_port(page: Page, name: str, usual: int, asked: int | None) -> int:
    """Return the requested port, or the usual one, or any other if that is taken."""
    if asked is not None:
        if not is_free(asked):
            raise DemoFailed(f"port {asked} is taken; give another, or none to get a free one")
        return asked
    if is_free(usual):
        return usual
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = int(probe.getsockname()[1])
    page.fact("port", f"{usual} is taken, so {name} listens on {port}")
    return port


def is_free(port: int) -> bool:
    try:
        socket.create_server(("127.0.0.1", port)).close()  # SO_REUSEADDR, as the programs themselves do
        return True
    except OSError:
        return False


def shown(path: Path) -> str:
    """Return a path relative to the checkout."""
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


# A proxy must not be used for this machine.
http = requests.Session()
http.trust_env = False


def ask(method: str, url: str, **options: Any) -> Any:
    """Return the JSON of an answer that must be successful."""
    answer = http.request(method, url, timeout=30, **options)
    if answer.status_code != 200:
        raise DemoFailed(f"{method} {url} answered {answer.status_code}: {answer.text[:500]}")
    return answer.json()


# --- the demo ------------------------------------------------------------------------------------------------


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
        self._flask("authsvc", "init", "--instance", str(self.folder), "--env-file", str(self.folder / ".env"))
        self.page.fact("keys", f"{shown(self.folder)}/keys/ and {shown(self.folder)}/.env, created now, mode 0600")
        self._flask("db", "upgrade")
        self.page.fact("database", f"SQLite, {shown(self.folder)}/authsvc.db (flask db upgrade)")
        gunicorn = [sys.executable, "-m", "gunicorn", "-c", str(ROOT / "gunicorn.conf.py")]
        self.programs.start("authsvc", [*gunicorn, "--bind", f"127.0.0.1:{self._port}"], self._settings)
        self.programs.wait_for(f"{self.wechat}/control/health")
        self.page.fact("WeChat", f"{self.wechat}  the simulator, AppID {APPID}")
        self.programs.wait_for(f"{self.service}/readyz")
        self.page.fact("authsvc", f"{self.service}  gunicorn, 2 workers, ready")

    def _flask(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "flask", "--app", "wsgi", *arguments]
        done = subprocess.run(
            command, cwd=self.folder, env=environment(self._settings), capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise DemoFailed(f"flask {' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")

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
        page.note("It is a separate program, scripts/another_service.py, and did not ask authsvc about the token.")
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
        script = str(ROOT / "scripts" / "another_service.py")
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
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def altered(token: str) -> str:
    """Return the token with another user, but the old signature."""
    header, payload, signature = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    text = json.dumps({**claims, "sub": "1000001"}).encode()
    return ".".join((header, base64.urlsafe_b64encode(text).rstrip(b"=").decode(), signature))


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/demo",
        description="Log a simulated WeChat user in and verify the token as another service would, step by step.",
    )
    parser.add_argument("--once", action="store_true", help="end after the round trip (exit code 0 if it succeeded)")
    parser.add_argument(
        "--port", type=int, metavar="N", help=f"of the service (default: {SERVICE_PORT}, or a free one)"
    )
    parser.add_argument(
        "--simulator-port", type=int, metavar="N", help=f"of the simulator (default: {SIMULATOR_PORT}, or a free one)"
    )
    parser.add_argument("--folder", type=Path, default=ROOT / "instance" / "demo", help="of keys, database and logs")
    return parser.parse_args()


def run(asked: argparse.Namespace, page: Page, programs: Programs, started: float) -> None:
    """Run the demo; keep running until Ctrl-C, unless --once is given."""
    service_port = free_port(page, "authsvc", SERVICE_PORT, asked.port)
    simulator_port = free_port(page, "the simulator", SIMULATOR_PORT, asked.simulator_port)
    demo = Demo(page, programs, asked.folder, service_port, simulator_port)
    demo.start()
    demo.play()
    page.line(f"\nDone in {time.monotonic() - started:.1f} s: one person, two logins, both tokens verified elsewhere.")
    if asked.once:
        return
    demo.invite()
    try:
        while True:
            programs.check()
            time.sleep(0.5)
    except KeyboardInterrupt:
        page.line()


def main() -> int:
    started = time.monotonic()
    sys.stdout.reconfigure(errors="replace", line_buffering=True)  # type: ignore[union-attr]
    asked = options()
    asked.folder = asked.folder.resolve()
    asked.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    signals, page = Signals(), Page()
    programs = Programs(asked.folder, signals)
    page.title("authsvc: from wx.login() to a token that another service verifies")
    code = 1
    try:
        run(asked, page, programs, started)
        code = 0
    except KeyboardInterrupt:
        page.line()
        code = 130
    except BrokenPipeError:  # the reader of the output has closed it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (DemoFailed, requests.RequestException) as error:
        print(f"\nThe demo failed: {error}\n", file=sys.stderr)
    finally:
        signals.ignore()
        http.close()
        stopped = programs.stop()
    if stopped:
        page.line(f"Stopped: {', '.join(stopped)}.")
    return code


if __name__ == "__main__":
    sys.exit(main())
