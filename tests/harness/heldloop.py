"""The service with a pulse: how long one request kept everything else of its worker from running, in CPU time.

Run as ``tests.harness.heldloop:app``. ``GET /held`` answers the milliseconds of the longest stretch since it was asked
last; other programs on the machine do not count.
"""

import threading
import time
from collections.abc import Iterable
from typing import Any

from authsvc.app import create_app

_BEAT_SECONDS = 0.001


class _Pulse:
    """Beats as often as the worker lets it; a thread here is a greenlet there."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._longest = 0.0
        self._started = False

    def _beat(self) -> None:
        last = time.thread_time()
        while True:
            time.sleep(_BEAT_SECONDS)
            now = time.thread_time()
            self._longest = max(self._longest, now - last)
            last = now

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if not self._started:
            self._started = True
            threading.Thread(target=self._beat, daemon=True).start()
        if environ["PATH_INFO"] != "/held":
            found: Iterable[bytes] = self._app(environ, start_response)
            return found
        longest, self._longest = self._longest, 0.0
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [f"{longest * 1000:.3f}".encode()]


_flask = create_app()
_flask.wsgi_app = _Pulse(_flask.wsgi_app)  # type: ignore[method-assign, assignment]
app = _flask
