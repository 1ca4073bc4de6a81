"""What is looked at of a picture, and whatever is wrong with one.

A picture from outside is taken apart before anything decodes it: its parts are counted, and only those that hold pixels
go on. Profiles, comments, thumbnails and further frames, which a decoder would unpack, are never read.
"""

from dataclasses import dataclass
from typing import Literal

# What a picture is for, which decides what it may be and what becomes of it.
Kind = Literal["avatar", "code"]
Format = Literal["JPEG", "PNG", "WEBP"]

# WebP's own limit is 16,383.
MOST_SIDE = 16_384


class Undecodable(Exception):
    """This is not a whole picture of an expected kind, or would cost more than any honest one. The text says why."""


@dataclass(frozen=True, slots=True)
class Essence:
    """A picture without anything but its pixels: a whole file again, one frame, ``width`` × ``height`` as stored.

    ``orientation`` is Exif's (1 to 8), which says how the pixels are to be turned.
    """

    form: Format
    content: bytes
    width: int
    height: int
    orientation: int = 1


def refuse_shapeless(width: int, height: int) -> None:
    """Raise Undecodable unless both sides are 1 to 16,384 pixels."""
    if not (0 < width <= MOST_SIDE and 0 < height <= MOST_SIDE):
        raise Undecodable(f"{width} × {height} px")
