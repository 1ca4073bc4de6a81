"""Starting a program, waiting until it serves, and ending it with everything it started."""

import contextlib
import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import requests

# Below the ports that systems give to outgoing connections, of which tests make thousands: one of those might take a
# port between the look and the start.
_PORTS = range(12000, 32000)


def free_port() -> int:
    """Return a loopback port that was free a moment ago."""
    while True:
        port = random.choice(_PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


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

    def wait_for(self, url: str, seconds: float = 60) -> None:
        """Return when ``url`` answers; raise with the log when the program ends or stays silent."""

        def answers() -> bool:
            try:
                requests.get(url, timeout=2)
                return True
            except requests.RequestException:
                return False

        self.wait_until(answers, seconds)

    def wait_until(self, is_ready: Callable[[], bool], seconds: float = 20) -> None:
        """Return when it is ready; raise with the log when the program ends or never is."""
        give_up = time.monotonic() + seconds
        while time.monotonic() < give_up:
            if self._popen.poll() is not None:
                raise RuntimeError(f"ended with {self._popen.returncode}:\n{self.log.read_text()[-3000:]}")
            if is_ready():
                return
            time.sleep(0.05)
        self.stop()
        raise RuntimeError(f"never answered:\n{self.log.read_text()[-3000:]}")

    def wait(self, seconds: float = 20) -> int:
        """Return the exit status."""
        return self._popen.wait(seconds)

    def stop(self) -> None:
        """End it, politely at first, with all its children."""
        if self._popen.returncode is not None:
            return  # its number may be another program's by now
        os.kill(self.pid, signal.SIGTERM)
        give_up = time.monotonic() + 5
        while not self._has_ended() and time.monotonic() < give_up:
            time.sleep(0.02)
        self.kill()

    def _has_ended(self) -> bool:
        """Whether it has ended; it is not reaped, so its number stays its own."""
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

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


def go_before_others(*pids: int) -> None:
    """Let the sessions of these processes have the processor first, where the kernel and our rights allow it.

    What other programs of a busy machine take is no property of the service that is measured.
    """
    for pid in pids:
        with contextlib.suppress(OSError):
            Path("/proc", str(pid), "autogroup").write_text("-19")
