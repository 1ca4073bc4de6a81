"""The Procfile, run by honcho as a platform would: first the release, then the service."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from authsvc.signing.keyfile import create_key_file
from tests.harness.places import ROOT
from tests.harness.processes import Process, free_port
from tests.harness.service import Service
from tests.harness.simulator import Simulator

pytestmark = pytest.mark.slow


def test_the_procfile_migrates_serves_and_stops(
    simulator: Simulator, sqlite_service: Service, run_folder: Path
) -> None:
    folder, port = run_folder / "procfile", free_port()
    folder.mkdir()
    create_key_file(folder / "instance" / "keys" / "signing.json")
    environment = {
        **sqlite_service.environment,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "INSTANCE_PATH": str(folder / "instance"),
        "PORT": str(port),
        "WEB_CONCURRENCY": "1",
        # A platform runs it in the checkout; here, that may have somebody's .env.
        "GUNICORN_CMD_ARGS": f"-c {ROOT / 'gunicorn.conf.py'}",
        "FLASK_APP": "wsgi",
    }
    honcho = [sys.executable, "-m", "honcho", "-d", str(folder), "-f", str(ROOT / "Procfile"), "-e", os.devnull]
    released = subprocess.run(
        [*honcho, "start", "release"],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert released.returncode == 0, released.stdout + released.stderr
    process = Process([*honcho, "start", "web"], log=folder / "web.log", env=environment, cwd=folder)
    try:
        process.wait_for(f"http://127.0.0.1:{port}/healthz")
        body = {"code": simulator.code("procfile")}
        # gunicorn waits for connections that are kept.
        once = {"Connection": "close"}
        answer = requests.post(f"http://127.0.0.1:{port}/api/v1/auth/login", json=body, headers=once, timeout=10)
        sqlite_service.keep(answer.headers, answer.content)
        assert answer.status_code == 200, answer.text
        os.kill(process.pid, signal.SIGTERM)
        process.wait(30)
        said = process.log.read_text()
        assert "Shutting down: Master" in said and "graceful timeout" not in said
    finally:
        process.stop()
