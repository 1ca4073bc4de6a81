"""Locks by number, for all processes of this machine: each number has one holder at a time.

A number is a byte of a file, which stays empty, and holding it is a lock on that byte (POSIX record locks can lie
beyond the end of a file). The system releases it if the process dies.
"""

import fcntl
import os
import threading
from pathlib import Path

_CREATE = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC


class OneAtATime:
    """Gives each number to one holder."""

    def __init__(self, path: Path) -> None:
        """``path`` is the file, created on first use.

        It must be on a local disk; other file systems may not lock bytes.
        """
        self._path = path
        self._turn = threading.Lock()
        # A process loses all its record locks on a file when it closes the file once, so the file stays open.
        self._held: set[int] = set()
        self._file: int | None = None

    def take(self, number: int) -> bool:
        """Hold a number (0 to 2**63 - 1) until ``leave``; False if it has a holder. Raises OSError."""
        with self._turn:
            if number in self._held:
                return False
            if self._file is None:
                self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                self._file = os.open(self._path, _CREATE, 0o600)
            try:
                fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, number)
            except BlockingIOError:
                return False
            self._held.add(number)
            return True

    def leave(self, number: int) -> None:
        """Release a number that is held here."""
        with self._turn:
            if number in self._held and self._file is not None:
                self._held.discard(number)
                fcntl.lockf(self._file, fcntl.LOCK_UN, 1, number)
