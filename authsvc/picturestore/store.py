"""What a place for pictures promises. Two keep it: a folder and a bucket."""

import re
from typing import Protocol

from authsvc.values.pictures import PICTURE_NAME

_NAME = re.compile(rf"{PICTURE_NAME}\Z")


def is_name(text: str) -> bool:
    """True for the name of a picture as we make them. Nothing else may reach a store."""
    return _NAME.match(text) is not None


class PictureStore(Protocol):
    """Keeps pictures by name. Safe across threads. Every method raises PicturesUnavailable when the place fails."""

    def put(self, name: str, content: bytes) -> None:
        """Store a picture; whoever reads meanwhile finds what was there before or all of the new one."""

    def read(self, name: str) -> bytes | None:
        """Return a picture, or None."""

    def holds(self, name: str) -> bool:
        """True when ``read`` would find something."""

    def delete(self, name: str) -> None:
        """Delete a picture if there is one."""

    def sweep(self) -> int:
        """Remove what interrupted writers left behind; return how many files."""
