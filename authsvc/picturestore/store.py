"""The guarantees of a place for pictures. Two implement it: a folder and a bucket."""

import re
from typing import Protocol

from authsvc.values.pictures import PICTURE_NAME

_NAME = re.compile(rf"{PICTURE_NAME}\Z")


def is_name(text: str) -> bool:
    """True for a picture name in authsvc's form. No other name may reach a store."""
    return _NAME.match(text) is not None


class PictureStore(Protocol):
    """Stores pictures by name. Safe across threads. Every method raises PicturesUnavailable if the place fails."""

    def put(self, name: str, content: bytes) -> None:
        """Store a picture; a concurrent reader finds the old state or the complete new picture."""

    def read(self, name: str) -> bytes | None:
        """Return a picture, or None."""

    def holds(self, name: str) -> bool:
        """True if ``read`` would find a picture."""

    def delete(self, name: str) -> None:
        """Delete a picture if there is one."""

    def sweep(self) -> int:
        """Remove what interrupted writers left behind; return how many files."""
