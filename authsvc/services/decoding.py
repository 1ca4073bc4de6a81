"""Opening pictures that others made: whatever is wrong with one is one exception."""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image, UnidentifiedImageError


class Undecodable(Exception):
    """This is not a whole picture of an expected format."""


@contextmanager
def opened(content: bytes, formats: tuple[str, ...]) -> Iterator[Image.Image]:
    """Open a picture; its pixels are decoded when they are used. Raises Undecodable, from inside the block too."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(content), formats=formats) as picture:
                yield picture
    except (UnidentifiedImageError, Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise Undecodable("not a picture of these formats") from None
    except (OSError, ValueError, SyntaxError, EOFError):
        raise Undecodable("damaged picture") from None
