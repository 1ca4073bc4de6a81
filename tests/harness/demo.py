"""scripts/demo as a person starts it, and the addresses that it prints."""

import os
import re
import sys
import time
from pathlib import Path

from tests.harness.processes import Process, free_port

START_SECONDS = 60


class Demo:
    """A demo that has gone through its logins and stays up. ``page`` is where the simulated phones are."""

    def __init__(self, folder: Path) -> None:
        ports = ("--port", str(free_port()), "--simulator-port", str(free_port()))
        command = [sys.executable, "-m", "authsvc", "demo", "--folder", str(folder / "demo"), *ports]
        self.process = Process(command, log=folder / "demo.txt", env=dict(os.environ), cwd=folder)
        output = self._output()
        self.page = _address(output, "phones")
        self.service = _address(output, "authsvc")

    def _output(self) -> str:
        """What it printed, up to what there is to try."""
        give_up = time.monotonic() + START_SECONDS
        while time.monotonic() < give_up:
            output = self.process.log.read_text()
            if "\necho\n" in output:
                return output
            time.sleep(0.1)
        self.stop()
        raise RuntimeError(f"the demo did not come up:\n{self.process.log.read_text()[-3000:]}")

    def stop(self) -> None:
        """End it; it ends what it started."""
        self.process.stop()


def _address(output: str, name: str) -> str:
    found = re.search(rf"^  {name} +(\S+)", output, re.MULTILINE)
    assert found, output
    return found[1]
