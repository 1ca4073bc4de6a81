"""Uploaded pictures of people: decoded, checked and drawn anew, so that nothing but pixels is kept."""

import io
import warnings

from PIL import Image, ImageOps, UnidentifiedImageError

from authsvc.errors import BodyTooLarge, PictureRejected

MAX_UPLOAD_BYTES = 2 * 1024 * 1024
# WeChat's own avatars are 132 px; phones send photographs.
_MAX_PIXELS = 25_000_000
_SIDE = 512
_FORMATS = ("JPEG", "PNG", "WEBP")


def reencode(upload: bytes) -> bytes:
    """Return the picture as a JPEG of at most 512 px a side, without metadata.

    Raises BodyTooLarge, or PictureRejected for anything that is not a JPEG, PNG or WebP with all its pixels, or that
    has too many of them to decode.
    """
    if len(upload) > MAX_UPLOAD_BYTES:
        raise BodyTooLarge
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(upload), formats=_FORMATS) as picture:
                if picture.width * picture.height > _MAX_PIXELS:
                    raise PictureRejected("too many pixels")
                drawn = _drawn(picture)
    except (UnidentifiedImageError, Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise PictureRejected("not a picture of these formats") from None
    except (OSError, ValueError, SyntaxError, EOFError):
        raise PictureRejected("damaged picture") from None
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
