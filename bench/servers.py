"""The programs under measurement, each in processes of its own: authsvc, the baseline, and the WeChat they call."""

import os
import subprocess
import sys
from pathlib import Path

import requests

from tests.harness.databases import MySQLSchema
from tests.harness.leaks import Canaries
from tests.harness.processes import Process, free_port
from tests.harness.service import ROOT, Service

APPID = "wx4f4bc4dec97d474b"
SECRET = "0f5e2c1b7a9d48e3b6c4d5e6f7a8b9c0"
WORKERS = 2


class Upstream:
    """bench/upstream.py as a process."""

    def __init__(self, folder: Path) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.process = Process(
            [sys.executable, "-m", "bench.upstream", str(port)],
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


class Authsvc:
    """authsvc as it is shipped, or with ``threads`` under gthread."""

    others = ("/healthz", "/.well-known/jwks.json", "/api/v1/user/profile")

    def __init__(self, folder: Path, upstream: Upstream, database: str, threads: int | None = None) -> None:
        self.name = f"authsvc {'gevent' if threads is None else f'gthread {threads}'}"
        self.database = database
        arguments = () if threads is None else ("--worker-class", "gthread", "--threads", str(threads))
        # A crowd of logins is to be carried, not refused: as many calls to WeChat as there are threads.
        more = {} if threads is None else {"DATABASE_POOL_SIZE": str(threads), "WX_MAX_IN_FLIGHT": str(threads)}
        self._service = Service(
            folder / f"{self.name} {database}".replace(" ", "-"),
            Canaries(),
            wechat=upstream.url,
            appid=APPID,
            secret=SECRET,
            database=database,
            workers=WORKERS,
            arguments=arguments,
            settings={"LOG_LEVEL": "INFO", "ACCESS_LOG": "0", **more},
        )
        self.url = self._service.url
        self.pid = self._service.process.pid

    def stop(self) -> None:
        self._service.stop()


class Plain:
    """The baseline under gunicorn's sync workers, or with ``threads`` under gthread."""

    others = ("/healthz",)

    def __init__(self, folder: Path, upstream: Upstream, database: str, threads: int | None = None) -> None:
        self.name = f"plain {'sync' if threads is None else f'gthread {threads}'}"
        self.database = database
        self._schema = MySQLSchema() if database == "mysql" else None
        place = folder / f"{self.name} {database}".replace(" ", "-")
        place.mkdir()
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "DATABASE_URL": self._address(place),
            "WX_APPID": APPID,
            "WX_SECRET": SECRET,
            "WX_API_BASE": upstream.url,
        }
        create = "from bench.plain_app import app, db; app.app_context().push(); db.create_all()"
        subprocess.run([sys.executable, "-c", create], env=environment, check=True, timeout=60)
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        kind = () if threads is None else ("--worker-class", "gthread", "--threads", str(threads))
        command = [sys.executable, "-m", "gunicorn", "-c", "/dev/null", "--no-control-socket", "-w", str(WORKERS)]
        command += ["-b", f"127.0.0.1:{port}", *kind, "bench.plain_app:app"]
        self._process = Process(command, log=place / "service.log", env=environment, cwd=place)
        self._process.wait_for(f"{self.url}/healthz")
        self.pid = self._process.pid

    def _address(self, place: Path) -> str:
        if self._schema is None:
            return f"sqlite:///{place / 'plain.db'}"
        return self._schema.url.replace("mysql://", "mysql+pymysql://") + "?ssl_disabled=true"

    def stop(self) -> None:
        self._process.stop()
        if self._schema is not None:
            self._schema.drop()


Server = Authsvc | Plain
