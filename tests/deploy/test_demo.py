"""scripts/demo: the round trip, what it keeps away from, what it leaves behind."""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

DEMO = [sys.executable, "-m", "authsvc", "demo"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen]]:
    """Start the demo in a folder of its own, its output in a pipe."""
    started: list[subprocess.Popen] = []

    def run(*arguments: str, **environment: str) -> subprocess.Popen:
        popen = subprocess.Popen(
            [*DEMO, "--folder", str(tmp_path / "demo"), *arguments],
            env={**os.environ, **environment},
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        started.append(popen)
        return popen

    yield run
    for popen in started:
        popen.terminate()
        popen.wait(30)


def read_until(popen: subprocess.Popen, sentence: str) -> str:
    """Return the output up to the line that holds ``sentence``."""
    lines = []
    for line in popen.stdout:
        lines.append(line)
        if sentence in line:
            return "".join(lines)
    raise AssertionError("".join(lines))


def addresses(text: str) -> list[int]:
    """Return the ports of the addresses in a text."""
    return sorted({int(port) for port in re.findall(r"http://127\.0\.0\.1:(\d+)", text)})


def answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True
    except OSError:
        return False


def test_once_shows_the_whole_login_and_touches_no_settings_of_the_user(
    start: Callable[..., subprocess.Popen], tmp_path: Path
) -> None:
    # What a developer may have at hand: a production configuration in the shell and in the folder.
    theirs = {"WX_APPID": "wx0123456789abcdef", "WX_SECRET": "f" * 32, "DATABASE_URL": "mysql://nobody@127.0.0.1:1/x"}
    (tmp_path / ".env").write_text("".join(f"{name}={value}\n" for name, value in theirs.items()))
    before = (tmp_path / ".env").read_bytes()
    popen = start("--once", **theirs, GUNICORN_CMD_ARGS="--nonsense")
    output, _ = popen.communicate(timeout=120)
    assert popen.returncode == 0, output
    for fact in ("wx.login()", "secret=***", '"session_key": "***"', '"alg": "ES256"', "登录成功", "refused (Inva"):
        assert fact in " ".join(output.split()), fact  # lines are wrapped where the terminal is narrow
    assert "\033[" not in output
    assert not re.search(r"eyJ[\w-]{20}", output)
    assert (tmp_path / ".env").read_bytes() == before
    assert not any(map(answers, addresses(output)))
    private = [tmp_path / "demo" / name for name in (".env", "keys/signing.json", "authsvc.db")]
    assert {path.stat().st_mode & 0o777 for path in private} == {0o600}


@pytest.mark.skipif(not shutil.which("curl"), reason="skipped: no curl here (install it)")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_it_stays_up_for_a_pasted_login_and_stops_everything_on_ctrl_c(
    start: Callable[..., subprocess.Popen], how: signal.Signals
) -> None:
    popen = start()
    output = read_until(popen, "echo")
    snippet = output[output.index("\nJ=") :]
    pasted = subprocess.run(["sh", "-c", snippet], capture_output=True, text=True, timeout=30, check=True)
    assert '"code":0,"msg":"ok"' in pasted.stdout and '"access_token":"eyJ' in pasted.stdout
    ports = addresses(output)
    assert len(ports) == 2 and all(map(answers, ports))
    started = time.monotonic()
    popen.send_signal(how)
    rest, _ = popen.communicate(timeout=30)
    assert time.monotonic() - started < 10
    assert (popen.returncode, rest.split()) == (0, ["Stopped:", "simulator,", "authsvc."])
    assert not any(map(answers, ports))


def test_a_taken_port_becomes_another_unless_it_was_asked_for(start: Callable[..., subprocess.Popen]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        output, _ = (refused := start("--once", "--port", str(port))).communicate(timeout=60)
        assert (refused.returncode, f"port {port} is taken" in output) == (1, True)
    held = []
    try:
        for usual in (8000, 8089):
            with contextlib.suppress(OSError):  # somebody else holds it already
                held.append(socket.create_server(("127.0.0.1", usual)))
        output, _ = (moved := start("--once")).communicate(timeout=120)
    finally:
        for listener in held:
            listener.close()
    assert moved.returncode == 0, output
    assert "8000 is taken, so authsvc listens on" in output and "8089 is taken, so the simulator" in output
