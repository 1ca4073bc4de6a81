"""What keeps writers of SQLite apart, taken away from a broken twin: the lock, and the turns of processes."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from authsvc.db import database, engine
from authsvc.errors import ServiceBusy


class NoTurns:
    """Turns within one process only."""

    def __init__(self, file: Path | None) -> None:
        self._writer = threading.Lock()

    @contextmanager
    def take(self, seconds: float) -> Iterator[None]:
        if not self._writer.acquire(timeout=seconds):
            raise ServiceBusy("too many transactions are waiting for their turn")
        try:
            yield
        finally:
            self._writer.release()


def poll_for_the_lock() -> None:
    """Let processes poll for SQLite's lock, with random sleeps."""
    database.Turns = NoTurns  # type: ignore[misc, assignment]


def let_writers_meet() -> None:
    """Make every statement on SQLite a transaction of its own, whatever other processes do meanwhile."""
    poll_for_the_lock()
    engine._begin_sqlite = _do_not_begin


def _do_not_begin(_connection: Any) -> None:
    pass
