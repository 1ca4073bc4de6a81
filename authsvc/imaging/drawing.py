"""Redraws pictures, so that only pixels are kept. Runs only in the helper process, which is the only user of Pillow."""

import io

from PIL import Image

from authsvc.imaging import jpeg, png, webp
from authsvc.imaging.essence import Essence, Format, Kind, Undecodable
from authsvc.values.pictures import LEAST_WIDTH, MOST_WIDTH

# WeChat's own avatars are 132 px; phones send photographs. Decoding a WebP takes four times its size in memory.
MOST_PIXELS: dict[Format, int] = {"JPEG": 25_000_000, "PNG": 25_000_000, "WEBP": 16_000_000}
_AVATAR_SIDE = 512
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ENDINGS: dict[Format, str] = {"JPEG": "jpg", "PNG": "png"}
# The required last bytes. WeChat sends no pictures with data after their end.
_ENDS: dict[Format, bytes] = {"JPEG": b"\xff\xd9", "PNG": b"IEND\xaeB`\x82"}


def draw(kind: Kind, content: bytes) -> tuple[str, bytes]:
    """Return the extension ("jpg" or "png") and the redrawn picture. Raises Undecodable for every problem."""
    try:
        return _DRAWN[kind](content)
    except Undecodable:
        raise
    except MemoryError:
        raise
    except Exception as error:
        # Decoders raise many kinds of exceptions, and their texts may quote the picture.
        raise Undecodable(f"damaged: {type(error).__name__}") from None


def essence(content: bytes) -> Essence:
    """Return the essence of a JPEG, PNG or WebP, without decoding it. Raises Undecodable."""
    if content.startswith(b"\xff\xd8\xff"):
        return jpeg.read(content)
    if content.startswith(png.SIGNATURE):
        return png.read(content)
    if content.startswith(b"RIFF") and content[8:12] == b"WEBP":
        return webp.read(content)
    raise Undecodable("not a JPEG, PNG or WebP")


def _avatar(content: bytes) -> tuple[str, bytes]:
    """Return a JPEG of at most 512 px a side, upright, on white."""
    found = essence(content)
    if found.width * found.height > MOST_PIXELS[found.form]:
        raise Undecodable("too many pixels")
    with _opened(found) as picture:
        # Scale down first: a JPEG is then decoded at an eighth of its size.
        small = _averageable(picture)
        small.thumbnail((_AVATAR_SIDE, _AVATAR_SIDE))
        turn = _TURNS.get(found.orientation)
        upright = (small if turn is None else small.transpose(turn)).convert("RGBA")
    canvas = Image.new("RGB", upright.size, "white")
    canvas.paste(upright, mask=upright.getchannel("A"))
    return "jpg", _saved(canvas, "JPEG", quality=85)


def _averageable(picture: Image.Image) -> Image.Image:
    """Return the picture in a mode that scales without artifacts: neither a palette nor 1 or 16 bits."""
    if picture.mode in ("P", "PA"):
        return picture.convert("RGBA")
    if picture.mode == "1":
        return picture.convert("L")
    if picture.mode.startswith("I"):
        return picture.convert("I").point(lambda value: value / 256).convert("L")
    return picture


def _code(content: bytes) -> tuple[str, bytes]:
    """Return a code drawn by WeChat, a JPEG or PNG of 280 to 1280 px per side; a JPEG keeps its quality."""
    found = essence(content)
    if found.form not in _ENDINGS:
        raise Undecodable(f"a code as {found.form}")
    if not all(LEAST_WIDTH <= side <= MOST_WIDTH for side in (found.width, found.height)):
        raise Undecodable(f"a code of {found.width} × {found.height} px")
    if not content.endswith(_ENDS[found.form]):
        raise Undecodable("cut off, or data after the end")
    with _opened(found) as picture:
        options = {"quality": "keep"} if found.form == "JPEG" else {}
        return _ENDINGS[found.form], _saved(picture, found.form, **options)


def _opened(found: Essence) -> Image.Image:
    picture = Image.open(io.BytesIO(found.content), formats=(found.form,))
    if picture.size != (found.width, found.height):
        raise Undecodable("two sizes in one picture")
    return picture


def _saved(picture: Image.Image, form: Format, **options: object) -> bytes:
    output = io.BytesIO()
    picture.save(output, form, **options)
    return output.getvalue()


_DRAWN = {"avatar": _avatar, "code": _code}
