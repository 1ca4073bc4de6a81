"""Uploaded pictures of people: drawn anew before they are kept, and gone when nobody shows them any more."""

import logging
import secrets

from authsvc.errors import BodyTooLarge, PictureRejected, PicturesUnavailable
from authsvc.imaging.essence import Undecodable
from authsvc.imaging.lane import Lane
from authsvc.picturestore.store import PictureStore, is_name

logger = logging.getLogger(__name__)

MAX_UPLOAD_BYTES = 2 * 1024 * 1024


class Avatars:
    """Keeps uploaded pictures in ``store``, under addresses that begin with ``base_url`` and cannot be guessed."""

    def __init__(self, store: PictureStore, lane: Lane, base_url: str) -> None:
        """``lane`` draws avatars."""
        self._store = store
        self._lane = lane
        self._base_url = base_url

    def keep(self, upload: bytes) -> str:
        """Store a picture as a JPEG of at most 512 px a side, without metadata, and return its address.

        Raises BodyTooLarge; PictureRejected for what is no JPEG, PNG or WebP with all its pixels, or costs too much;
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
        """Return a picture by its file name, or None; a name that is not of our making is never looked up."""
        return self._store.read(name) if is_name(name) else None

    def holds(self, address: str | None) -> bool:
        """True for an address that begins as ours do, whether or not there is a picture."""
        return address is not None and address.startswith(f"{self._base_url}/")

    def delete(self, address: str | None) -> None:
        """Delete the picture at an address of ours; addresses of others are left alone."""
        name = (address or "").removeprefix(f"{self._base_url}/")
        if self.holds(address) and is_name(name):
            self._store.delete(name)

    def discard(self, address: str | None) -> None:
        """Delete a picture that nobody shows any more, or leave it lying: what has been done already counts more."""
        try:
            self.delete(address)
        except PicturesUnavailable as error:
            logger.warning("a picture of nobody stays: %s", error)
