"""Writers without turns: those of one process wait for a lock, and processes poll for SQLite's with random sleeps."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from authsvc.app import create_app
from authsvc.db import database
from authsvc.errors import ServiceBusy


class NoTurns:
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


database.Turns = NoTurns  # type: ignore[misc, assignment]
app = create_app()
