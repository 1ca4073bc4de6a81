"""What the doctor's quick checks say of this installation, for the console.

They run in a process of their own: they read files, ask the database and silence the log, and none of that may touch
the requests of a worker. One examination serves everybody for a minute.
"""

import json
import logging
import os
import subprocess
import sys
import threading

from authsvc.clock import SystemClock
from authsvc.values.operator import DoctorsLine

logger = logging.getLogger(__name__)

_PROGRAM = (sys.executable, "-m", "authsvc", "doctor", "--quick", "--json")
_MOST_SECONDS = 8.0
_FRESH_SECONDS = 60.0
_MEMBERS = ("check", "status", "says", "todo")
_NO_ANSWER = (DoctorsLine("doctor.answers", "warning", "the examination did not end in time", "run: authsvc doctor"),)


class Examination:
    """Runs the quick checks, at most one examination at a time."""

    def __init__(self, clock: SystemClock, program: tuple[str, ...] = _PROGRAM, seconds: float = _MOST_SECONDS) -> None:
        self._clock = clock
        self._program = program
        self._seconds = seconds
        self._turn = threading.Lock()
        self._lines: tuple[DoctorsLine, ...] = ()
        self._fresh_until = float("-inf")

    def lines(self) -> tuple[DoctorsLine, ...]:
        """Return the lines of the newest examination, which is a minute old at most, or begins now.

        Takes eight seconds at most, during which other requests run; raises nothing. The lines have no secrets.
        """
        with self._turn:
            if self._clock.monotonic() >= self._fresh_until:
                self._lines = self._examined() or _NO_ANSWER
                self._fresh_until = self._clock.monotonic() + _FRESH_SECONDS
            return self._lines

    def _examined(self) -> tuple[DoctorsLine, ...]:
        try:
            done = subprocess.run(  # noqa: S603 (nothing in it comes from outside)
                self._program,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=self._seconds,
                check=False,
                # It is no worker, and its metrics would stay beside theirs.
                env={name: value for name, value in os.environ.items() if name != "PROMETHEUS_MULTIPROC_DIR"},
            )
            checks = json.loads(done.stdout)["checks"]
            return tuple(DoctorsLine(*(str(line[name] or "") for name in _MEMBERS)) for line in checks)
        except (OSError, subprocess.SubprocessError, ValueError, KeyError, TypeError) as error:
            logger.warning("the doctor gave no lines for the console: %s", type(error).__name__)
            return ()
