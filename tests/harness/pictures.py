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


# --- pictures that cost far more than they weigh --------------------------------------------------------------


def jpeg_segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def jpeg_of_segments(*segments: bytes, image: Image.Image | None = None) -> bytes:
    """A JPEG with these segments first."""
    plain = encoded(image or picture(), "JPEG")
    return plain[:2] + b"".join(segments) + plain[2:]


def jpeg_of_empty_scans(scans: int, size: tuple[int, int] = (5000, 5000)) -> bytes:
    """A progressive JPEG with so many scans more, each some 40 bytes long and a pass over all its pixels."""
    plain = encoded(Image.new("L", size), "JPEG", progressive=True)
    end = plain.rindex(b"\xff\xd9")
    # One code, for "nothing in the next 32,767 blocks": a run of class 14, extended by fourteen ones.
    table = jpeg_segment(0xC4, b"\x10" + bytes([1]) + bytes(15) + b"\xe0")
    blocks = -(-size[0] // 8) * -(-size[1] // 8)
    bits = ("0" + "1" * 14) * -(-blocks // 32767)
    bits += "1" * (-len(bits) % 8)
    coded = int(bits, 2).to_bytes(len(bits) // 8).replace(b"\xff", b"\xff\0")
    scan = jpeg_segment(0xDA, b"\x01\x01\x00\x01\x3f\x00") + coded
    return plain[:end] + table + scan * scans + plain[end:]


def exif_tag(tag: int, kind: int, count: int, value: bytes) -> bytes:
    return struct.pack(">HHI", tag, kind, count) + value.ljust(4, b"\0")


def exif(*tags: bytes, behind: bytes = b"") -> bytes:
    """Exif of these entries, and what stands ``behind`` them (at 10 + 12 × entries)."""
    return b"MM\0*\0\0\0\x08" + struct.pack(">H", len(tags)) + b"".join(tags) + bytes(4) + behind


def riff(*chunks: tuple[bytes, bytes]) -> bytes:
    """A WebP of these chunks."""
    inner = b"WEBP" + b"".join(
        name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2) for name, content in chunks
    )
    return b"RIFF" + struct.pack("<I", len(inner)) + inner
