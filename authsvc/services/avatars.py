"""Uploaded pictures of people: decoded, checked and drawn anew, so that nothing but pixels is kept."""

import io
import logging
import secrets

from PIL import Image, ImageOps

from authsvc.errors import BodyTooLarge, PictureRejected, PicturesUnavailable
from authsvc.picturestore.store import PictureStore, is_name
from authsvc.services.decoding import Undecodable, opened

logger = logging.getLogger(__name__)

MAX_UPLOAD_BYTES = 2 * 1024 * 1024
# WeChat's own avatars are 132 px; phones send photographs.
_MAX_PIXELS = 25_000_000
_SIDE = 512
_FORMATS = ("JPEG", "PNG", "WEBP")


class Avatars:
    """Keeps uploaded pictures in ``store``, under addresses that begin with ``base_url`` and cannot be guessed."""

    def __init__(self, store: PictureStore, base_url: str) -> None:
        self._store = store
        self._base_url = base_url

    def keep(self, upload: bytes) -> str:
        """Store a picture, drawn anew, and return its address.

        Raises PictureRejected, BodyTooLarge or PicturesUnavailable.
        """
        name = f"{secrets.token_hex(16)}.jpg"
        self._store.put(name, reencode(upload))
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


def reencode(upload: bytes) -> bytes:
    """Return the picture as a JPEG of at most 512 px a side, without metadata.

    Raises BodyTooLarge, or PictureRejected for anything that is not a JPEG, PNG or WebP with all its pixels, or that
    has too many of them to decode.
    """
    if len(upload) > MAX_UPLOAD_BYTES:
        raise BodyTooLarge
    try:
        with opened(upload, _FORMATS) as picture:
            if picture.width * picture.height > _MAX_PIXELS:
                raise PictureRejected("too many pixels")
            drawn = _drawn(picture)
    except Undecodable as reason:
        raise PictureRejected(str(reason)) from None
    output = io.BytesIO()
    drawn.save(output, "JPEG", quality=85)
    return output.getvalue()


def _drawn(picture: Image.Image) -> Image.Image:
    # Small first: a JPEG is then decoded at an eighth of its size. A palette cannot be averaged.
    small = picture.convert("RGBA") if picture.mode == "P" else picture
    small.thumbnail((_SIDE, _SIDE))
    upright = ImageOps.exif_transpose(small).convert("RGBA")
    canvas = Image.new("RGB", upright.size, "white")
    canvas.paste(upright, mask=upright.getchannel("A"))
    return canvas
