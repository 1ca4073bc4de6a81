"""Takes PNG files apart. W3C PNG, third edition: a signature, then chunks.

A decoder unpacks compressed text and profiles when it meets them, and reads every chunk one by one.
"""

import zlib
from collections.abc import Iterator

from authsvc.imaging.essence import Essence, Undecodable, refuse_shapeless
from authsvc.imaging.orientation import orientation

SIGNATURE = b"\x89PNG\r\n\x1a\n"
# Programs write pixels in pieces of 8 KB or more: 256 of them in 2 MB.
MOST_CHUNKS = 4096

# The chunks that define how pixels look, in this order. Other chunks do not affect pixels.
_BEFORE_PIXELS = (b"IHDR", b"PLTE", b"tRNS")
_NOTED = {*_BEFORE_PIXELS, b"eXIf"}
_AROUND = 12  # length, name and checksum
_XMP = b"XML:com.adobe.xmp\0\0\0\0\0"


def read(content: bytes) -> Essence:
    """Return the essence of a PNG, up to its end; for an animated one, its default picture.

    Raises Undecodable.
    """
    found: dict[bytes, bytes] = {}
    pixels: list[bytes] = []
    for name, body in _chunks(content):
        if name == b"IDAT":
            pixels.append(body)
        elif name in _NOTED or (name == b"iTXt" and body.startswith(_XMP)):
            found.setdefault(name, body)
    header = found.get(b"IHDR", b"")
    width, height = int.from_bytes(header[:4]), int.from_bytes(header[4:8])
    refuse_shapeless(width, height)
    if not pixels:
        raise Undecodable("a PNG without pixels")
    before = [(name, found[name]) for name in _BEFORE_PIXELS if name in found]
    parts = [*before, (b"IDAT", b"".join(pixels)), (b"IEND", b"")]
    whole = SIGNATURE + b"".join(_chunk(name, body) for name, body in parts)
    return Essence("PNG", whole, width, height, orientation(found.get(b"eXIf"), found.get(b"iTXt")))


def _chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield name and body of each chunk before the end. Raises Undecodable, also for a damaged chunk that is needed."""
    at = len(SIGNATURE)
    for _ in range(MOST_CHUNKS):
        end = at + _AROUND + int.from_bytes(content[at : at + 4])
        name = content[at + 4 : at + 8]
        if end > len(content):
            raise Undecodable("a PNG without an end")
        is_critical = name[:1].isupper()
        if is_critical and zlib.crc32(content[at + 4 : end - 4]) != int.from_bytes(content[end - 4 : end]):
            raise Undecodable("a PNG with a damaged chunk")
        if name == b"IEND":
            return
        yield name, content[at + 8 : end - 4]
        at = end
    raise Undecodable(f"a PNG of more than {MOST_CHUNKS} chunks")


def _chunk(name: bytes, body: bytes) -> bytes:
    return len(body).to_bytes(4) + name + body + zlib.crc32(name + body).to_bytes(4)
