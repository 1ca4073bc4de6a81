"""Uploads as they are often handled: the picture library opens them, where the requests are."""

import io
from typing import Any

from PIL import Image

from authsvc.imaging.essence import Undecodable
from authsvc.imaging.lane import Lane
from tests.harness.heldloop import app as with_a_pulse


def _draw(self: Lane, content: bytes) -> tuple[str, bytes]:
    try:
        with Image.open(io.BytesIO(content), formats=("JPEG", "PNG", "WEBP")) as picture:
            whole = picture.convert("RGB")
            whole.thumbnail((512, 512))
            return "jpg", _saved(whole)
    except (OSError, ValueError, SyntaxError):
        raise Undecodable("damaged picture") from None


def _saved(picture: Any) -> bytes:
    output = io.BytesIO()
    picture.save(output, "JPEG")
    return output.getvalue()


Lane.draw = _draw
app = with_a_pulse
