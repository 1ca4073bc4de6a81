"""The programs that the demo starts, and how they end with it."""

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import requests

from authsvc.demo.page import Page

START_SECONDS = 60
# The environment variables for child processes. Settings, proxies and PYTHON* of the user's shell are not passed on.
PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TMPDIR", "TMP", "TEMP", "TZ", "SYSTEMROOT")

# Where this package is, for the programs that use it.
_CODE = Path(__file__).parents[2]


class DemoFailed(Exception):
    """The demo cannot continue; the text tells the user why."""


# A proxy must not be used for this machine.
http = requests.Session()
http.trust_env = False


def ask(method: str, url: str, **options: Any) -> Any:
    """Return the JSON of an answer that must be successful."""
    answer = http.request(method, url, timeout=30, **options)
    if answer.status_code != 200:
        raise DemoFailed(f"{method} {url} answered {answer.status_code}: {answer.text[:500]}")
    return answer.json()


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
    own = {"FLASK_SKIP_DOTENV": "1", "PYTHONPATH": str(_CODE), "PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"}
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
    """Tell whether a program could listen there now."""
    try:
        socket.create_server(("127.0.0.1", port)).close()  # SO_REUSEADDR, as the programs themselves do
        return True
    except OSError:
        return False


def shown(path: Path) -> str:
    """Return a path, relative to the working directory if it is inside."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
