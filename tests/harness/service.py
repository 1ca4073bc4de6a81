"""authsvc under gunicorn, as it is deployed, with a database of its own."""

import json
import os
import secrets
import sqlite3
import subprocess
import sys
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import jwt
import requests

from authsvc.signing.keyfile import create_key_file
from tests.harness.crowd import Answer
from tests.harness.databases import MySQLSchema
from tests.harness.leaks import Canaries
from tests.harness.places import ROOT
from tests.harness.processes import Process, free_port

ISSUER = "https://login.example.test"


class Service:
    """A running authsvc. Its answers are kept in ``answers`` and its output in ``log`` for the leak scan."""

    def __init__(
        self,
        folder: Path,
        canaries: Canaries,
        *,
        wechat: str,
        appid: str,
        secret: str,
        database: str = "sqlite",
        workers: int = 2,
        migrated: bool = True,
        module: str = "wsgi:app",
        arguments: tuple[str, ...] = (),
        settings: dict[str, str] | None = None,
        within: tuple[str, ...] = (),
    ) -> None:
        """``within`` is a program that runs the service and its commands, given as its arguments."""
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.canaries = canaries
        self.schema = MySQLSchema() if database == "mysql" else None
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / "service.log"
        self.answers = folder / "answers.txt"
        self._dump = folder / "dump.db"
        self.appid = appid
        self._app = module.partition(":")[0]
        self._within = within
        self._command = [
            *within,
            sys.executable,
            "-m",
            "gunicorn",
            "-c",
            str(ROOT / "gunicorn.conf.py"),
            *arguments,
            module,
        ]
        self.environment = self._environment(wechat, secret, workers, settings or {})
        self._set_up()
        if migrated:
            self._migrate()
        self.process = self._start()
        self._http = requests.Session()

    def _environment(self, wechat: str, secret: str, workers: int, settings: dict[str, str]) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("WX_", "WECHAT_", "JWT_"))}
        database = {"DATABASE_URL": self.schema.url} if self.schema else {}
        return {
            **kept,
            **database,
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1",
            "INSTANCE_PATH": str(self.folder / "instance"),
            "WX_APPID": self.appid,
            "WX_SECRET": secret,
            "WX_API_BASE": wechat,
            "PUBLIC_BASE_URL": ISSUER,
            "SECRET_KEYS": self.canaries.never("SECRET_KEYS", secrets.token_urlsafe(32)),
            "PORT": str(self.port),
            "WEB_CONCURRENCY": str(workers),
            "ACCESS_LOG": "1",
            # Everything that any library wants to say is scanned for secrets.
            "LOG_LEVEL": "DEBUG",
            # Many services at once share one MariaDB, which takes 151 connections by default.
            "DATABASE_POOL_SIZE": "8",
            # Tests ask for exports as often as they like.
            "RATE_LIMIT_EXPORT": "off",
            "SCAN_SIGN_IN_PAGE": "pages/scan/scan",
            "CONSOLE": "1",
            # For browsers that must find the service under its own public address.
            **{name: value.replace("{port}", str(self.port)) for name, value in settings.items()},
        }

    def _set_up(self) -> None:
        keys = self.folder / "instance" / "keys" / "signing.json"
        create_key_file(keys)
        self.canaries.never("signing key", json.loads(keys.read_text())["keys"][0]["jwk"]["d"])

    def _migrate(self) -> None:
        """Migrating takes a second and always gives the same SQLite file: the run's first one serves the others."""
        if self.schema:
            self.flask("db", "upgrade")
            return
        database = self.folder / "instance" / "authsvc.db"
        migrated = self.folder.parent / "migrated.sqlite"
        if migrated.exists():
            _copy_database(migrated, database)
        else:
            self.flask("db", "upgrade")
            _copy_database(database, migrated)

    def flask(self, *arguments: str, shows_secret: bool = False, fails: bool = False) -> str:
        """Run a flask command against this service's settings and return what it printed.

        What it prints is scanned for secrets, unless showing one is its purpose.
        """
        command = [*self._within, sys.executable, "-m", "flask", "--app", self._app, *arguments]
        done = subprocess.run(
            command, env=self.environment, cwd=self.folder, capture_output=True, text=True, timeout=60, check=False
        )
        with self.log.open("a") as log:
            log.write(done.stderr if shows_secret else done.stdout + done.stderr)
        assert (done.returncode != 0) == fails, done.stdout + done.stderr
        return done.stdout + done.stderr if fails else done.stdout

    def _start(self) -> Process:
        process = Process(self._command, log=self.log, env=self.environment, cwd=self.folder)
        process.wait_for(f"{self.url}/healthz")
        return process

    def restart(self) -> None:
        """End it and start it again on the same data, with the environment as it is now."""
        self._hang_up()
        self.process.stop()
        self.process = self._start()

    def call(
        self, method: str, path: str, *, token: str | None = None, step_up: bool = True, **options: Any
    ) -> requests.Response:
        """Send a request, keep the answer for the leak scan, and note tokens in it.

        Where that takes step-up, it is sent again with a code, as from the phone of the token's person; without
        ``step_up`` as by somebody who has the token alone.
        """
        headers = {**options.pop("headers", {})}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        answer = self._send(method, path, headers, options)
        if step_up and token is not None and answer.status_code == 403 and b'"step_up_required"' in answer.content:
            answer = self._send(method, path, {**headers, **self.step_up(token)}, options)
        return answer

    def step_up(self, token: str) -> dict[str, str]:
        """The header that takes the phone on which the token's session began: a fresh code of ``wx.login``."""
        session_id = jwt.decode(token, options={"verify_signature": False})["sid"]
        [(appid, openid)] = self.rows(
            "SELECT i.appid, i.openid FROM sessions s JOIN identities i ON i.id = s.identity_id"
            f" WHERE s.id = '{session_id}'"
        )
        wechat, query = self.environment["WX_API_BASE"], {"appid": appid, "openid": openid}
        user = self._http.get(f"{wechat}/control/accounts", params=query, timeout=10).json()["user"]
        body = {"appid": appid, "user": user}
        code = self._http.post(f"{wechat}/phone/login", json=body, timeout=10).json()["code"]
        return {"Step-Up-Code": self.canaries.not_in_logs("step-up code", code)}

    def _send(self, method: str, path: str, headers: dict[str, str], options: dict[str, Any]) -> requests.Response:
        timeout = options.get("timeout", 30)
        options = {name: value for name, value in options.items() if name != "timeout"}
        answer = self._http.request(method, self.url + path, headers=headers, timeout=timeout, **options)
        self.keep(answer.headers, answer.content)
        return answer

    def forget_cookies(self) -> None:
        """As a browser that has never been here."""
        self._http.cookies.clear()

    def login(self, code: str, **options: Any) -> requests.Response:
        """Sign in by the native contract."""
        body = {"code": code, **options.pop("json", {})}
        return self.call("POST", "/api/v1/auth/login", json=body, **options)

    def keep(self, headers: Mapping[str, str], content: bytes) -> None:
        """Write an answer down for the leak scan."""
        self.keep_all([Answer(0, dict(headers), content, 0)])

    def keep_all(self, answers: Iterable[Answer]) -> None:
        """Write the answers of a crowd down for the leak scan."""
        with self.answers.open("ab") as kept:
            for answer in answers:
                kept.write(f"{answer.headers}\n".encode() + answer.content + b"\n")
                for token in _tokens(answer.content):
                    # The signature is what makes a token of it, and the only part that no other token shares.
                    self.canaries.not_in_logs("token", token.rpartition(".")[2])

    def rows(self, sql: str) -> list[tuple]:
        """Read the database behind the service's back."""
        with closing(self.connect()) as connection:
            cursor = connection.cursor()
            cursor.execute(sql)
            return [tuple(row) for row in cursor.fetchall()]

    def count(self, table: str, condition: str = "1 = 1") -> int:
        """How many rows of a table meet a condition."""
        return int(self.rows(f"SELECT COUNT(*) FROM {table} WHERE {condition}")[0][0])

    def connect(self) -> Any:
        """A driver's connection to the service's database, each statement its own transaction until told otherwise."""
        if self.schema:
            return self.schema.connect()
        return sqlite3.connect(self.folder / "instance" / "authsvc.db", isolation_level=None, timeout=10)

    @property
    def dialect(self) -> str:
        """``sqlite`` or ``mysql``."""
        return "mysql" if self.schema else "sqlite"

    @property
    def database_url(self) -> str:
        """As SQLAlchemy wants it."""
        if self.schema:
            return self.schema.url.replace("mysql://", "mysql+pymysql://")
        return f"sqlite:///{self.folder / 'instance' / 'authsvc.db'}"

    def workers(self) -> list[int]:
        """The process ids of gunicorn's workers."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(pid) for pid in children.split()]

    def orphans(self) -> list[str]:
        """Rows that lost what they belong to: none, whatever was killed or lost on the way."""
        questions = {
            "identity without user": "SELECT COUNT(*) FROM identities WHERE user_id NOT IN (SELECT id FROM users)",
            "session without user": "SELECT COUNT(*) FROM sessions WHERE user_id NOT IN (SELECT id FROM users)",
            "user without identity": "SELECT COUNT(*) FROM users WHERE status = 'active' AND id NOT IN"
            " (SELECT user_id FROM identities)",
            "invite counter unlike its rows": "SELECT COUNT(*) FROM invite_codes c WHERE c.uses <>"
            " (SELECT COUNT(*) FROM invite_uses u WHERE u.invite_code_id = c.id)",
            "identity twice": "SELECT COUNT(*) - COUNT(DISTINCT appid, openid) FROM identities"
            if self.schema
            else "SELECT COUNT(*) - COUNT(DISTINCT appid || ' ' || openid) FROM identities",
        }
        return [name for name, sql in questions.items() if self.rows(sql)[0][0]]

    def stop(self) -> None:
        """End it for good; what it wrote stays for the leak scan."""
        self._hang_up()
        self.process.stop()
        if self.schema and not self._dump.exists():
            self._keep_rows()
            self.schema.drop()

    def _hang_up(self) -> None:
        """Close our connections: gunicorn waits for them, and Session.close leaves that to the garbage collector."""
        pools = self._http.get_adapter(self.url).poolmanager.pools
        for key in pools.keys():  # noqa: SIM118 (this mapping refuses to be iterated)
            pools[key].close()
        self._http.close()

    def _keep_rows(self) -> None:
        tables = [name for (name,) in self.rows("SHOW TABLES")]
        rows = [row for table in tables for row in self.rows(f"SELECT * FROM `{table}`")]
        self._dump.write_text("\n".join(map(str, rows)))


def _copy_database(source: Path, target: Path) -> None:
    with closing(sqlite3.connect(source)) as original, closing(sqlite3.connect(target)) as copy:
        original.backup(copy)
    target.chmod(0o600)


def _tokens(content: bytes) -> list[str]:
    try:
        data = json.loads(content)
    except ValueError:
        return []
    inner = data.get("data") if isinstance(data, dict) else None
    # Where a call does more than signing in, the tokens are one member of what it answers.
    places = [data, inner, inner.get("tokens") if isinstance(inner, dict) else None]
    names = ("token", "access_token", "refresh_token")
    return [place[name] for place in places if isinstance(place, dict) for name in names if place.get(name)]
