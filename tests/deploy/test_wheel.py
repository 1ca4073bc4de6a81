"""A wheel by itself: installed into a new environment, outside any checkout, it goes from ``init`` to a login."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

import authsvc
from tests.conftest import APPID
from tests.harness.places import NEWEST, ROOT
from tests.harness.processes import Process, free_port
from tests.harness.simulator import Simulator

# What a checkout has and a build reads.
PARTS = ("authsvc", "setup.cfg", "pyproject.toml", "README.md", "LICENSE")


def wheel(folder: Path) -> Path:
    """Build the wheel of this checkout, from a copy, so that nothing is left in it. Fetches nothing."""
    source = folder / "source"
    source.mkdir()
    for name in PARTS:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, source / name)
    options = ("--no-deps", "--no-build-isolation", "--no-index", "-q", "-w", str(folder))
    subprocess.run([sys.executable, "-m", "pip", "wheel", *options, "."], cwd=source, check=True, timeout=120)
    (built,) = folder.glob("*.whl")
    shutil.rmtree(source)
    return built


def environment_of(folder: Path, built: Path) -> Path:
    """Install the wheel into a new environment and return its programs' folder. The other packages are ours."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True, timeout=60)
    (packages,) = folder.glob("lib/python*/site-packages")
    options = ("--no-deps", "--no-index", "-q", "--no-warn-script-location")
    target = ("--python", str(folder / "bin" / "python"))
    subprocess.run([sys.executable, "-m", "pip", *target, "install", *options, built], check=True, timeout=120)
    (packages / "others.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    return folder / "bin"


@pytest.mark.slow
def test_a_wheel_goes_from_init_to_a_login_by_what_it_prints(
    simulator: Simulator, app_secret: str, tmp_path: Path, figures: Callable[[str], None]
) -> None:
    begun = time.monotonic()
    built = wheel(tmp_path)
    programs = environment_of(tmp_path / "venv", built)
    installed = time.monotonic()
    folder = tmp_path / "login"
    folder.mkdir()
    inherited = {name: os.environ[name] for name in ("HOME", "LANG", "TMPDIR") if name in os.environ}
    environment = {**inherited, "PATH": f"{programs}:{os.environ['PATH']}"}

    def run(command: str) -> str:
        words = command.split()
        done = subprocess.run(
            words, env=environment, cwd=folder, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    probe = [str(programs / "python"), "-c", "import authsvc; print(authsvc.__file__)"]
    place = subprocess.run(probe, env=environment, cwd=folder, capture_output=True, text=True, check=True).stdout
    assert place.startswith(str(tmp_path / "venv")), "an editable install would be of this checkout"
    assert run("authsvc --version") == f"authsvc {authsvc.__version__}\n"
    shown = run("authsvc init")
    migrate, serve = re.findall(r"^  (.*)", shown, re.MULTILINE)
    assert (migrate, serve) == ("authsvc db upgrade", "authsvc run")
    env_file = folder / ".env"
    port = free_port()
    filled = env_file.read_text().replace("WX_APPID=\n", f"WX_APPID={APPID}\n")
    filled = filled.replace("WX_SECRET=\n", f"WX_SECRET={app_secret}\n")
    env_file.write_text(f"{filled}WX_API_BASE={simulator.url}\nPORT={port}\nWEB_CONCURRENCY=1\n")
    assert run(migrate).splitlines()[-1] == f"up to date  {NEWEST}"
    process = Process([str(programs / "authsvc"), *serve.split()[1:]], log=folder / "log", env=environment, cwd=folder)
    try:
        process.wait_for(f"http://127.0.0.1:{port}/readyz")
        body = {"code": simulator.code("wheel")}
        answer = requests.post(f"http://127.0.0.1:{port}/api/v1/auth/login", json=body, timeout=20)
        assert answer.status_code == 200 and answer.json()["data"]["is_new_user"] is True
        assert requests.get(f"http://127.0.0.1:{port}/openapi.json", timeout=20).json()["info"]["version"] == (
            authsvc.__version__
        )
    finally:
        process.stop()
    assert str(ROOT) not in (folder / "log").read_text()
    assert sorted(path.name for path in folder.iterdir()) == [".env", "instance", "log"]
    ended = time.monotonic()
    figures(
        f"a wheel built and installed in {installed - begun:.1f} s; from init to a login in {ended - installed:.1f} s"
    )
    assert "one person, two logins, both tokens verified elsewhere" in run("authsvc demo --once")
