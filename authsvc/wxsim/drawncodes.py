"""What a phone sees in the picture of a code: what this simulator has drawn, found again by its dark and light squares.

Drawn anew, scaled, or taken off a screen, a picture keeps them; only WeChat itself reads the real ones anyway.
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
    """Where the squares lie: how many a side, where the first begins and how wide one is, as shares of the side."""

    squares: int
    start: float
    step: float


@dataclass(frozen=True, slots=True)
class DrawnCode:
    """Whose code it is, and the page with its query that opens when somebody scans it."""

    appid: str
    path: str


class DrawnCodes:
    """The codes that were drawn last, by their squares."""

    def __init__(self) -> None:
        """Begin with none."""
        self._lock = threading.Lock()
        self._codes: OrderedDict[tuple[Grid, bytes], DrawnCode] = OrderedDict()

    def remember(self, grid: Grid, squares: Sequence[Sequence[int]], code: DrawnCode) -> None:
        """Keep a code; the oldest goes when there are too many."""
        with self._lock:
            self._codes[grid, bytes(bool(dark) for row in squares for dark in row)] = code
            if len(self._codes) > _REMEMBERED:
                self._codes.popitem(last=False)

    def latest(self) -> list[DrawnCode]:
        """Return the last few, the newest first."""
        with self._lock:
            return list(islice(reversed(self._codes.values()), _LATEST))

    def find(self, picture: Image.Image) -> DrawnCode | None:
        """Return the code that this picture shows from edge to edge, or None."""
        with self._lock:
            grids = {grid for grid, _ in self._codes}
            seen = ((grid, _squares(picture, grid)) for grid in grids)
            return next((self._codes[key] for key in seen if key in self._codes), None)


def _squares(picture: Image.Image, grid: Grid) -> bytes:
    """Look at the middle of each square: 1 where it is dark."""
    flat = Image.new("RGBA", picture.size, "white")
    flat.alpha_composite(picture.convert("RGBA"))
    gray = flat.convert("L").tobytes()
    width, height = flat.size
    shares = [grid.start + (number + 0.5) * grid.step for number in range(grid.squares)]
    lightness = [gray[int(y * height) * width + int(x * width)] for y in shares for x in shares]
    middle = (min(lightness) + max(lightness)) / 2
    return bytes(value < middle for value in lightness)
