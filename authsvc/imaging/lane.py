"""The queue of pictures of one kind before their helper, with a limited length and a limited waiting time."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from authsvc import metrics
from authsvc.errors import AuthSvcError, PicturesBusy
from authsvc.imaging.essence import Kind, Undecodable
from authsvc.imaging.helper import Helper, Lost

logger = logging.getLogger(__name__)

_PATIENCE_SECONDS = 5.0


class Lane:
    """Has pictures of one kind redrawn, one at a time, by a helper process that starts with the first picture.

    Each kind has its own lane, so uploads never delay the codes that other people want to scan.
    """

    def __init__(self, kind: Kind, places: int) -> None:
        """Allow ``places`` pictures at once: the one in progress, and the waiting ones."""
        self._kind: Kind = kind
        self._places = places
        self._inside = 0
        self._lock = threading.Lock()
        self._turn = threading.Lock()
        self._helper: Helper | None = None

    def draw(self, content: bytes) -> tuple[str, bytes]:
        """Return the extension ("jpg" or "png") and the redrawn picture.

        Raises Undecodable for an incomplete picture, another kind, or one that costs too much; PicturesBusy (try
        again); or PicturesUnavailable if no helper can be started.
        """
        outcome = "failed"
        try:
            with self._place():
                drawn = self._drawn(content)
            outcome = "drawn"
            return drawn
        except Undecodable:
            outcome = "refused"
            raise
        except AuthSvcError as error:
            outcome = error.error
            raise
        finally:
            metrics.pictures.labels(self._kind, outcome).inc()

    @contextmanager
    def _place(self) -> Iterator[None]:
        """Wait for a turn; raises PicturesBusy immediately if too many are waiting, or if the turn does not come in
        time.
        """
        with self._lock:
            if self._inside >= self._places:
                raise PicturesBusy(f"{self._inside} pictures are waiting")
            self._inside += 1
        try:
            if not self._turn.acquire(timeout=_PATIENCE_SECONDS):
                raise PicturesBusy("waited too long")
            try:
                yield
            finally:
                self._turn.release()
        finally:
            with self._lock:
                self._inside -= 1

    def _drawn(self, content: bytes) -> tuple[str, bytes]:
        for _ in range(2):
            if self._helper is None or not self._helper.is_usable:
                self._helper = Helper()
            try:
                return self._helper.ask(self._kind, content)
            except Lost as reason:
                logger.warning("the picture helper %s; another one is started", reason)
        raise PicturesBusy("two helpers were lost")
