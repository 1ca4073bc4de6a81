"""Uploaded profile pictures: redrawn before they are stored, and deleted when no profile shows them any more."""

import logging
import secrets

from authsvc.errors import BodyTooLarge, PictureRejected, PicturesUnavailable
from authsvc.imaging.essence import Undecodable
from authsvc.imaging.lane import Lane
from authsvc.picturestore.store import PictureStore, is_name

logger = logging.getLogger(__name__)

MAX_UPLOAD_BYTES = 2 * 1024 * 1024


class Avatars:
    """Stores uploaded pictures in ``store``, under unguessable addresses that begin with ``base_url``."""

    def __init__(self, store: PictureStore, lane: Lane, base_url: str) -> None:
        """``lane`` redraws avatars."""
        self._store = store
        self._lane = lane
        self._base_url = base_url

    def keep(self, upload: bytes) -> str:
        """Store a picture as a JPEG of at most 512 px a side, without metadata, and return its address.

        Raises BodyTooLarge; PictureRejected for anything but a complete JPEG, PNG or WebP, or if it costs too much;
        PicturesBusy or PicturesUnavailable.
        """
        if len(upload) > MAX_UPLOAD_BYTES:
            raise BodyTooLarge
        try:
            ending, drawn = self._lane.draw(upload)
        except Undecodable as reason:
            raise PictureRejected(str(reason)) from None
        name = f"{secrets.token_hex(16)}.{ending}"
        self._store.put(name, drawn)
        return f"{self._base_url}/{name}"

    def read(self, name: str) -> bytes | None:
        """Return a picture by its file name, or None; a name in another form is never looked up."""
        return self._store.read(name) if is_name(name) else None

    def holds(self, address: str | None) -> bool:
        """True for an address in authsvc's form, whether or not there is a picture."""
        return address is not None and address.startswith(f"{self._base_url}/")

    def delete(self, address: str | None) -> None:
        """Delete the picture at one of authsvc's addresses; other addresses are ignored."""
        name = (address or "").removeprefix(f"{self._base_url}/")
        if self.holds(address) and is_name(name):
            self._store.delete(name)

    def discard(self, address: str | None) -> None:
        """Delete a picture that is no longer shown, or leave it if that fails, because the change itself is done."""
        try:
            self.delete(address)
        except PicturesUnavailable as error:
            logger.warning("an unused picture could not be deleted: %s", error)
