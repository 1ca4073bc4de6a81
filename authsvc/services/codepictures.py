"""Pictures of mini-program codes as WeChat sends them: checked, and drawn anew so that nothing but pixels is kept."""

import io

from PIL import Image

from authsvc.pictures import LEAST_WIDTH, MOST_WIDTH
from authsvc.services.decoding import Undecodable, opened

_ENDINGS = {"JPEG": "jpg", "PNG": "png"}
# What the last bytes must be. Pillow forgives a picture that ends too early or goes on; this does not.
_ENDS = {"JPEG": b"\xff\xd9", "PNG": b"IEND\xaeB`\x82"}


def checked(content: bytes) -> tuple[str, bytes]:
    """Return the ending ("jpg" or "png", by content) and the picture.

    Raises Undecodable for what is not a whole JPEG or PNG of 280 to 1280 px a side, or has something behind it.
    """
    with opened(content, tuple(_ENDINGS)) as picture:
        form = picture.format or ""
        if not all(LEAST_WIDTH <= side <= MOST_WIDTH for side in picture.size):
            raise Undecodable(f"{picture.width} × {picture.height} px")
        if not content.endswith(_ENDS[form]):
            raise Undecodable("cut off, or not the end")
        return _ENDINGS[form], _redrawn(picture)


def _redrawn(picture: Image.Image) -> bytes:
    """The same pixels without comments, profiles and chunks of others; a JPEG keeps its quality."""
    output = io.BytesIO()
    if picture.format == "JPEG":
        picture.save(output, "JPEG", quality="keep", comment=b"")
    else:
        picture.save(output, "PNG")
    return output.getvalue()
