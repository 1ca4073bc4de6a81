"""The essence of a picture: the parts that are decoded; and the error for pictures that are refused.

A picture from outside is taken apart before it is decoded: its parts are counted, and only those with pixels are kept.
Profiles, comments, thumbnails and further frames, which a decoder would unpack, are never read.
"""

from dataclasses import dataclass
from typing import Literal

# The purpose of a picture, which decides what is allowed and how it is redrawn.
Kind = Literal["avatar", "code"]
Format = Literal["JPEG", "PNG", "WEBP"]

# WebP's own limit is 16,383.
MOST_SIDE = 16_384


class Undecodable(Exception):
    """This is not a complete picture of an expected kind, or would cost more than any honest one. The text says why."""


@dataclass(frozen=True, slots=True)
class Essence:
    """A picture reduced to its pixels: a complete file again, with one frame, ``width`` × ``height`` as stored.

    ``orientation`` is Exif's (1 to 8), which says how to rotate the pixels.
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
