"""Starting a program, waiting until it serves, and ending it with everything it started."""

import contextlib
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import requests


def free_port() -> int:
    """Return a loopback port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Process:
    """A program in a session of its own, its output in a file."""

    def __init__(self, command: list[str], *, log: Path, env: dict[str, str], cwd: Path) -> None:
        self.log = log
        with log.open("ab") as output:
            self._popen = subprocess.Popen(
                command, stdout=output, stderr=subprocess.STDOUT, env=env, cwd=cwd, start_new_session=True
            )

    @property
    def pid(self) -> int:
        return self._popen.pid

    def wait_for(self, url: str, seconds: float = 20) -> None:
        """Return when ``url`` answers; raise with the log when the program ends or stays silent."""
        give_up = time.monotonic() + seconds
        while time.monotonic() < give_up:
            if self._popen.poll() is not None:
                raise RuntimeError(f"ended with {self._popen.returncode}:\n{self.log.read_text()[-3000:]}")
            try:
                requests.get(url, timeout=2)
                return
            except requests.RequestException:
                time.sleep(0.05)
        self.stop()
        raise RuntimeError(f"never answered:\n{self.log.read_text()[-3000:]}")

    def wait(self, seconds: float = 20) -> int:
        """Return the exit status."""
        return self._popen.wait(seconds)

    def stop(self) -> None:
        """End it, politely at first, with all its children."""
        if self._popen.poll() is None:
            self._popen.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._popen.wait(5)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._popen.pid, signal.SIGKILL)
        self._popen.wait(5)

    def freeze(self) -> None:
        """Stop it where it stands, as a machine out of breath would."""
        os.killpg(self._popen.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        os.killpg(self._popen.pid, signal.SIGCONT)

    def kill(self) -> None:
        """End it and all its children at once, as a crash would."""
        os.killpg(self._popen.pid, signal.SIGKILL)
        self._popen.wait(5)
