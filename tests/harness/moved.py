"""A WSGI module for gunicorn: authsvc on a clock that a test moves, by writing seconds into a file."""

import os
import time
from datetime import datetime, tzinfo
from pathlib import Path

import jwt.api_jwt

from authsvc.app import create_app
from authsvc.clock import SystemClock


class FileClock(SystemClock):
    """The wall clock plus the seconds in a file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def now(self) -> float:
        return time.time() + float(self._path.read_text() or 0)


_clock = FileClock(Path(os.environ["AUTHSVC_TEST_CLOCK"]))


class _Moved(datetime):
    """PyJWT compares ``exp`` and ``iat`` with the machine's time, and takes no clock."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:
        return datetime.fromtimestamp(_clock.now(), tz)


jwt.api_jwt.datetime = _Moved  # type: ignore[attr-defined]

app = create_app(clock=_clock)
