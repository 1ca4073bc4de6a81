"""The programs under measurement, each in processes of its own, and the WeChat they call.

Every program runs two worker processes, writes no access log, and finds its settings in the environment.
"""

import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from authsvc.signing.keyfile import create_key_file
from authsvc.values.limits import LimitedKind
from bench.databases import Place
from bench.peers import schema
from bench.upstream import APPID
from tests.harness.processes import Process, free_port

ROOT = Path(__file__).resolve().parents[1]
PEERS = ROOT / "bench" / "peers"
VENV = ROOT / "bench" / ".venv"
NODE = PEERS / "node"
ISSUER = "https://login.example.test"
WORKERS = 2
_SECRET = "0f5e2c1b7a9d48e3b6c4d5e6f7a8b9c0"


class Upstream:
    """bench/upstream.py as a process."""

    def __init__(self, folder: Path, picture: Path) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.process = Process(
            [str(VENV / "bin" / "python"), "-m", "bench.upstream", str(port), str(picture)],
            log=folder / "upstream.log",
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            cwd=ROOT,
        )
        self.process.wait_for(f"{self.url}/control")
        self._http = requests.Session()

    def answer_after(self, seconds: float) -> None:
        """Delay every further answer."""
        self._http.get(f"{self.url}/control?latency={seconds}", timeout=5)

    @property
    def answered(self) -> int:
        """Exchanges carried out so far."""
        return int(self._http.get(f"{self.url}/control", timeout=5).json()["answered"])


@dataclass(frozen=True)
class Program:
    """What can be measured. ``command`` gets the port; ``tables`` are made before it starts."""

    name: str
    title: str
    command: Callable[[int], list[str]]
    tables: Callable[["Server"], None]
    signs: str = "ES256"
    settings: Callable[[Path], dict[str, str]] = lambda folder: {}
    paths: tuple[str, ...] = ("/healthz",)

    @property
    def is_ours(self) -> bool:
        return self.name.startswith("authsvc")


class Server:
    """A running program on a database of its own."""

    def __init__(self, program: Program, folder: Path, upstream: Upstream, place: Place) -> None:
        folder.mkdir(mode=0o700)
        self.program, self.folder, self.place = program, folder, place
        self.name, self.database = program.name, place.kind
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        key = ec.generate_private_key(ec.SECP256R1())
        self.public_key = key.public_key()
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("WX_", "JWT_", "RATE_"))},
            "PYTHONPATH": f"{ROOT}:{ROOT / 'verifier'}",
            "DATABASE_URL": place.url,
            "WX_APPID": APPID,
            "WX_SECRET": _SECRET,
            "WX_API_BASE": upstream.url,
            "SIGNING_KEY_FILE": str(_write_key(folder / "signing.pem", key)),
            "SEALING_KEY": secrets.token_urlsafe(32) + "=",
            "NODE_ENV": "production",
            "PORT": str(self.port),
            **program.settings(folder),
        }
        program.tables(self)
        self._process = self._start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def run(self, *command: str) -> str:
        """Run a command with this server's settings and return what it printed."""
        done = subprocess.run(
            command, env=self.environment, cwd=self.folder, capture_output=True, text=True, timeout=120, check=False
        )
        if done.returncode != 0:
            raise RuntimeError(done.stdout + done.stderr)
        return done.stdout.strip()

    def _start(self) -> Process:
        command = self.program.command(self.port)
        process = Process(command, log=self.folder / "log", env=self.environment, cwd=self.folder)
        process.wait_for(f"{self.url}/healthz", 60)
        return process

    def restart(self) -> None:
        """End it with all that it has not answered yet, and start it again."""
        self._process.kill()
        self._process = self._start()

    def stop(self) -> None:
        self._process.kill()
        self.place.drop()


def _write_key(file: Path, key: ec.EllipticCurvePrivateKey) -> Path:
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    file.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    return file


def _own(settings_of_gunicorn: str, *arguments: str) -> Callable[[int], list[str]]:
    """A program in the product's own environment, under gunicorn."""

    def command(port: int) -> list[str]:
        bind = ["-b", f"127.0.0.1:{port}", "-w", str(WORKERS)]
        return [sys.executable, "-m", "gunicorn", "-c", settings_of_gunicorn, *bind, *arguments]

    return command


def _python(*arguments: str) -> Callable[[int], list[str]]:
    """A program in the peers' environment; PORT stands for the port."""
    return lambda port: [str(VENV / "bin" / "python"), "-m", *(part.replace("PORT", str(port)) for part in arguments)]


def _node(program: str) -> Callable[[int], list[str]]:
    return lambda port: ["node", str(NODE / "cluster.js"), f"./{program}", str(port), str(WORKERS)]


def _settings_of_authsvc(folder: Path) -> dict[str, str]:
    """No limits, and everything else as shipped."""
    create_key_file(folder / "instance" / "keys" / "signing.json")
    limits = {f"RATE_LIMIT_{kind.upper()}": "off" for kind in get_args(LimitedKind)}
    daily = ("PHONE_DAILY_PER_USER", "PHONE_DAILY_PER_ADDRESS", "PHONE_DAILY_TOTAL", "SESSIONS_PER_USER_DAILY")
    codes = ("QRCODE_PER_USER", "QRCODE_PER_SERVICE", "QRCODE_TOTAL")
    return {
        "INSTANCE_PATH": str(folder / "instance"),
        "PUBLIC_BASE_URL": ISSUER,
        "SECRET_KEYS": secrets.token_urlsafe(32),
        "WEB_CONCURRENCY": str(WORKERS),
        **limits,
        **dict.fromkeys((*daily, *codes), "0"),
    }


def _migrate(server: Server) -> None:
    server.run(sys.executable, "-m", "flask", "--app", "wsgi", "db", "upgrade")


def _let_plain_make_tables(server: Server) -> None:
    create = "from bench.peers.plain_flask import app, db; app.app_context().push(); db.create_all()"
    server.run(sys.executable, "-c", create)


def _make_tables(server: Server) -> None:
    server.place.run(*schema.statements(server.place.kind))


_AUTHSVC = str(ROOT / "gunicorn.conf.py")
_PATHS = ("/healthz", "/.well-known/jwks.json", "/api/v1/me")
_UVICORN = ("--host", "127.0.0.1", "--port", "PORT", "--workers", str(WORKERS), "--no-access-log", "--backlog", "2048")
_GUNICORN = ("-b", "127.0.0.1:PORT", "-w", str(WORKERS))
_THREADS = ("--worker-class", "gthread", "--threads")
_ALL = (
    Program("authsvc", "authsvc", _own(_AUTHSVC, "wsgi:app"), _migrate, settings=_settings_of_authsvc, paths=_PATHS),
    Program(
        "plain",
        "plain Flask, sync workers",
        _own("/dev/null", "--no-control-socket", "bench.peers.plain_flask:app"),
        _let_plain_make_tables,
        "HS256",
    ),
    Program(
        "fastapi-blocking",
        "FastAPI, blocking calls in async def",
        _python("uvicorn", *_UVICORN, "bench.peers.fastapi_blocking:app"),
        _make_tables,
    ),
    Program(
        "fastapi-tuned",
        "FastAPI, tuned",
        _python("uvicorn", *_UVICORN, "bench.peers.fastapi_tuned:app"),
        _make_tables,
    ),
    Program(
        "django-rest",
        "Django REST framework, 16 threads",
        _python("gunicorn", *_GUNICORN, *_THREADS, "16", "bench.peers.django_rest:application"),
        _make_tables,
    ),
    Program("nestjs", "NestJS with TypeORM", _node("nest.js"), _make_tables),
    Program("fastify", "Fastify, tuned", _node("fastify.js"), _make_tables),
    Program(
        "plain-threads",
        "plain Flask, 16 threads",
        _own("/dev/null", "--no-control-socket", *_THREADS, "16", "bench.peers.plain_flask:app"),
        _let_plain_make_tables,
        "HS256",
    ),
    Program(
        "authsvc-threads",
        "authsvc, 32 threads",
        _own(_AUTHSVC, *_THREADS, "32", "wsgi:app"),
        _migrate,
        # A crowd is to be carried, not refused: as many calls to WeChat as there are threads.
        settings=lambda folder: {**_settings_of_authsvc(folder), "DATABASE_POOL_SIZE": "32", "WX_MAX_IN_FLIGHT": "32"},
        paths=_PATHS,
    ),
)
PROGRAMS = {program.name: program for program in _ALL}
# Beside these, programs can be asked for by name.
USUAL = tuple(PROGRAMS)[:7]


def install(programs: Sequence[str]) -> None:
    """Put what these need into bench/.venv and bench/peers/node/node_modules, unless it is there already."""
    _install_python()
    if not {"nestjs", "fastify"}.intersection(programs):
        return
    if not shutil.which("npm"):
        raise SystemExit("bench/compare needs Node 20 and npm for nestjs and fastify (or --programs without them)")
    _install_node()


def _install_python() -> None:
    wanted, done = (PEERS / "requirements.txt").read_text(), VENV / "installed.txt"
    if done.exists() and done.read_text() == wanted:
        return
    print("installing the Python peers into bench/.venv", file=sys.stderr)
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(VENV)], check=True)
    pip = [str(VENV / "bin" / "pip"), "install", "-q", "--disable-pip-version-check"]
    subprocess.run([*pip, "-r", str(PEERS / "requirements.txt")], check=True)
    done.write_text(wanted)


def _install_node() -> None:
    names = ("package-lock.json", "nest.ts")
    wanted, done = "".join((NODE / name).read_text() for name in names), NODE / "node_modules" / "installed.txt"
    if done.exists() and done.read_text() == wanted:
        return
    print("installing the Node peers into bench/peers/node/node_modules", file=sys.stderr)
    # Where node came with its headers, nothing has to be fetched to compile better-sqlite3.
    prefix = Path(str(shutil.which("node"))).resolve().parents[1]
    headers = {"npm_config_nodedir": str(prefix)} if (prefix / "include" / "node").is_dir() else {}
    for command in (["ci", "--no-audit", "--no-fund", "--loglevel=error"], ["run", "build", "--silent"]):
        subprocess.run(["npm", *command], cwd=NODE, env={**os.environ, **headers}, check=True)
    done.write_text(wanted)
