"""Pictures for uploads: good ones, and ones that nobody should keep."""

import io
import struct
import zlib
from typing import Any

from PIL import Image

MARK = b"zq7mark7qz"
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def picture(size: tuple[int, int] = (60, 40), color: str = "teal") -> Image.Image:
    """A picture whose left half has another colour than the right one."""
    drawn = Image.new("RGB", size, color)
    drawn.paste("orange", (0, 0, size[0] // 2, size[1]))
    return drawn


def encoded(image: Image.Image, form: str, **options: Any) -> bytes:
    output = io.BytesIO()
    image.save(output, form, **options)
    return output.getvalue()


def with_gps() -> bytes:
    """A photograph that says where it was taken, and that it lies on its side."""
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: a quarter turn
    exif[0x010F] = MARK.decode()
    exif[0x8825] = {1: "N", 2: (31.0, 14.0, 7.0), 3: "E", 4: (121.0, 28.0, 14.0)}
    return encoded(picture(), "JPEG", exif=exif, comment=MARK)


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png(*more: bytes, image: Image.Image | None = None) -> bytes:
    """A PNG with further chunks before its end."""
    plain = encoded(image or picture(), "PNG")
    end = plain.index(b"IEND") - 4
    return plain[:end] + b"".join(more) + plain[end:]


def png_of_size(size: int) -> bytes:
    """A good PNG of exactly this many bytes."""
    return png(chunk(b"prVt", bytes(size - len(png()) - 12)))


def png_that_claims(width: int, height: int) -> bytes:
    """A few bytes that would unpack to width × height."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(1_000_000), 9)
    return PNG_SIGNATURE + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def jpeg_that_claims(width: int, height: int) -> bytes:
    plain = bytearray(encoded(picture(), "JPEG"))
    at = plain.index(b"\xff\xc0") + 5
    plain[at : at + 4] = struct.pack(">HH", height, width)
    return bytes(plain)
