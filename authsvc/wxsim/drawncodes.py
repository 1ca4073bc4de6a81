"""Recognises pictures of codes that this simulator has drawn, by their dark and light squares.

A picture keeps these if it is redrawn, scaled, or taken from a screen. Only WeChat itself can read real codes anyway.
"""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from PIL import Image

_REMEMBERED = 20_000
_LATEST = 20


@dataclass(frozen=True, slots=True)
class Grid:
    """The grid of squares: how many per side, where the first begins and how wide one is, as fractions of the side."""

    squares: int
    start: float
    step: float


@dataclass(frozen=True, slots=True)
class DrawnCode:
    """The app of a code, and the page with its query that a scan opens."""

    appid: str
    path: str


class DrawnCodes:
    """The last codes drawn, by their squares."""

    def __init__(self) -> None:
        """Begin without codes."""
        self._lock = threading.Lock()
        self._codes: OrderedDict[tuple[Grid, bytes], DrawnCode] = OrderedDict()

    def remember(self, grid: Grid, squares: Sequence[Sequence[int]], code: DrawnCode) -> None:
        """Store a code; the oldest is dropped if there are too many."""
        with self._lock:
            self._codes[grid, bytes(bool(dark) for row in squares for dark in row)] = code
            if len(self._codes) > _REMEMBERED:
                self._codes.popitem(last=False)

    def latest(self) -> list[DrawnCode]:
        """Return the last codes, newest first."""
        with self._lock:
            return list(islice(reversed(self._codes.values()), _LATEST))

    def find(self, picture: Image.Image) -> DrawnCode | None:
        """Return the code in this picture, which must have no margin, or None."""
        with self._lock:
            grids = {grid for grid, _ in self._codes}
            seen = ((grid, _squares(picture, grid)) for grid in grids)
            return next((self._codes[key] for key in seen if key in self._codes), None)


def _squares(picture: Image.Image, grid: Grid) -> bytes:
    """Return 1 for each square whose middle is dark."""
    flat = Image.new("RGBA", picture.size, "white")
    flat.alpha_composite(picture.convert("RGBA"))
    gray = flat.convert("L").tobytes()
    width, height = flat.size
    shares = [grid.start + (number + 0.5) * grid.step for number in range(grid.squares)]
    lightness = [gray[int(y * height) * width + int(x * width)] for y in shares for x in shares]
    middle = (min(lightness) + max(lightness)) / 2
    return bytes(value < middle for value in lightness)
