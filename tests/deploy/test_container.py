"""deploy/Containerfile, built and run without a container engine, and what deploy/compose.yaml says."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
import requests
import yaml

from tests.harness.databases import REQUIRED
from tests.harness.places import ROOT
from tests.harness.processes import Process, free_port
from tests.harness.service import Service
from tests.harness.simulator import Simulator

DEPLOY = ROOT / "deploy"
# Python for Debian, with the certificates of this machine: a proxy of its network may have its own authority.
BASE = ["mmdebstrap", "--quiet", "--variant=minbase", "--include=python3,python3-venv,ca-certificates", "bookworm"]
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
CHROOT = "--isolation=chroot"


class Store:
    """Images and containers of buildah in a folder of this run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._program = ["buildah", "--root", f"{folder}/images", "--runroot", f"{folder}/run", "--storage-driver=vfs"]

    def command(self, *arguments: str) -> list[str]:
        return [*self._program, *arguments]

    def do(self, *arguments: str, fails: bool = False) -> str:
        done = subprocess.run(self.command(*arguments), capture_output=True, text=True, timeout=200, check=False)
        assert (done.returncode != 0) == fails, done.stdout + done.stderr
        return done.stdout.strip() if not fails else done.stdout + done.stderr

    def build(self) -> None:
        base = self.folder / "base.tar"
        subprocess.run([*BASE, str(base)], check=True, capture_output=True, timeout=200)
        container = self.do("from", "scratch")
        self.do("add", "--quiet", container, str(base), "/")
        self.do("copy", "--quiet", container, CERTIFICATES, CERTIFICATES)
        self.do("commit", "--quiet", "--rm", container, "localhost/base")
        base.unlink()
        file = str(DEPLOY / "Containerfile")
        arguments = ("--format=docker", "--build-arg", "BASE=localhost/base", "-f", file, "-t", "localhost/authsvc")
        self.do("build", CHROOT, *arguments, str(ROOT))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, figures: Callable[[str], None]) -> Iterator[Store]:
    missing = [name for name in ("buildah", "mmdebstrap") if not shutil.which(name)]
    if missing or os.geteuid() != 0:
        sentence = f"skipped: only root may build an image, with buildah and mmdebstrap (missing: {missing or 'root'})"
        pytest.fail(sentence) if REQUIRED and missing else pytest.skip(sentence)
    made = Store(tmp_path_factory.mktemp("store"))
    started = time.monotonic()
    made.build()
    sizes = made.do("images", "--format", "{{.Name}} {{.Size}}").replace("\n", ", ")
    figures(f"image built in {time.monotonic() - started:.0f} s, its base included: {sizes}")
    yield made
    made.do("rm", "--all")
    shutil.rmtree(made.folder)


@pytest.mark.slow
def test_the_image_sets_itself_up_serves_a_login_and_stops(
    store: Store, simulator: Simulator, sqlite_service: Service, run_folder: Path, figures: Callable[[str], None]
) -> None:
    volume, port = run_folder / "volume", free_port()
    volume.mkdir(mode=0o700)
    os.chown(volume, 10001, 10001)
    container = store.do("from", "--pull-never", "localhost/authsvc")
    names = ("WX_APPID", "WX_SECRET", "WX_API_BASE", "PUBLIC_BASE_URL")
    settings = {**{name: sqlite_service.environment[name] for name in names}, "PORT": str(port), "WEB_CONCURRENCY": "2"}
    given = [f"--env={name}={value}" for name, value in settings.items()]
    run = ("run", CHROOT, *given, "-v", f"{volume}:/var/lib/authsvc", container, "--")
    health = yaml.safe_load(store.do("inspect", "--type=image", "localhost/authsvc"))["Docker"]["config"]["Healthcheck"]

    assert store.do(*run, "id", "-u") == "10001"
    store.do(*run, "touch", "/opt/authsvc/written", fails=True)
    started = time.monotonic()
    store.do(*run, "authsvc", "init")
    store.do(*run, "authsvc", "db", "upgrade")
    process = Process(
        store.command(*run, "authsvc", "run"), log=run_folder / "container.log", env=dict(os.environ), cwd=run_folder
    )
    try:
        url = f"http://127.0.0.1:{port}"
        process.wait_for(f"{url}/healthz")
        served = time.monotonic()
        body, once = {"code": simulator.code("contained")}, {"Connection": "close"}
        answer = requests.post(f"{url}/api/v1/auth/login", json=body, headers=once, timeout=10)
        figures(f"container: init, migrations, start {served - started:.1f} s; login {time.monotonic() - served:.2f} s")
        sqlite_service.keep(answer.headers, answer.content)
        assert answer.status_code == 200, answer.text
        token = answer.json()["data"]["access_token"]
        key = jwt.PyJWKSet.from_dict(requests.get(f"{url}/.well-known/jwks.json", headers=once, timeout=10).json())
        claims = jwt.decode(token, key.keys[0].key, ["ES256"], audience=settings["WX_APPID"])
        assert claims["iss"] == settings["PUBLIC_BASE_URL"]
        store.do(*run, *health["Test"][1:])
        os.kill(_gunicorn(port), signal.SIGTERM)
        assert process.wait(20) == 0
    finally:
        process.stop()
    store.do(*run, *health["Test"][1:], fails=True)


def _gunicorn(port: int) -> int:
    """The oldest process of user 10001 that has this port in its environment."""
    wanted = f"PORT={port}".encode()
    found = [int(path.name) for path in Path("/proc").glob("[0-9]*") if _belongs(path, wanted)]
    return min(found)


def _belongs(path: Path, wanted: bytes) -> bool:
    try:
        is_ours = path.stat().st_uid == 10001
        return is_ours and wanted in (path / "environ").read_bytes().split(b"\0")
    except OSError:
        return False


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
    return dict(read["services"])


def test_compose_migrates_before_it_serves_and_publishes_nginx_alone(services: dict[str, Any]) -> None:
    assert services["migrate"]["command"] == ["db", "upgrade"] and services["migrate"]["restart"] == "no"
    assert services["authsvc"]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}
    assert services["nginx"]["depends_on"]["authsvc"]["condition"] == "service_healthy"
    assert [name for name, service in services.items() if "ports" in service] == ["nginx"]
    # The service and its migrations have the image's own check, or none.
    assert all("healthcheck" in services[name] for name in ("mariadb", "redis", "nginx"))
    for name in ("authsvc", "migrate"):
        assert services[name]["read_only"] and services[name]["cap_drop"] == ["ALL"]
    for name in ("mariadb", "redis"):
        assert services[name]["networks"] == ["inside"]


def test_compose_changes_only_what_nginx_conf_has(services: dict[str, Any]) -> None:
    text = (DEPLOY / "nginx.conf").read_text(encoding="utf-8")
    script = services["nginx"]["command"][2]
    for place in (
        "127.0.0.1:8000",
        "login.example.com",
        "/var/log/nginx/authsvc.log",
        "/var/log/nginx/authsvc.error.log",
    ):
        assert place in text and place in script.replace("\\", "")
