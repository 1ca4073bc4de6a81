"""Takes WebP files apart. RFC 9649: a RIFF file of chunks; VP8 or VP8L is the picture, and ANMF contains a frame."""

from collections.abc import Iterator

from authsvc.imaging.essence import Essence, Undecodable, refuse_shapeless
from authsvc.imaging.orientation import orientation

# A still picture has six or fewer, an animated one a few hundred.
MOST_CHUNKS = 4096

_RIFF_HEADER = 12
_FRAME_HEADER = 16  # position and duration of an animation frame
_ALPHA_FLAG = 0x10


def read(content: bytes) -> Essence:
    """Return the essence of a WebP; for an animated one, its first frame. Raises Undecodable."""
    riff_end = 8 + int.from_bytes(content[4:8], "little")
    if riff_end > len(content):
        raise Undecodable("a WebP without an end")
    found: dict[bytes, bytes] = {}
    for name, body in _chunks(content[_RIFF_HEADER:riff_end]):
        if name == b"ANMF" and not found.keys() & {b"VP8 ", b"VP8L"}:
            for inner, inner_body in _chunks(body[_FRAME_HEADER:]):
                found.setdefault(inner, inner_body)
        elif name != b"ANMF":
            found.setdefault(name, body)
    return _still(found)


def _still(found: dict[bytes, bytes]) -> Essence:
    """Return the picture in these chunks as a separate file."""
    turned = orientation(_tiff(found.get(b"EXIF")), found.get(b"XMP "))
    if lossless := found.get(b"VP8L"):
        width, height = _lossless_size(lossless)
        return Essence("WEBP", _riff((b"VP8L", lossless)), width, height, turned)
    lossy = found.get(b"VP8 ")
    if lossy is None:
        raise Undecodable("a WebP without pixels")
    width, height = _lossy_size(lossy)
    chunks = [(b"VP8 ", lossy)]
    if alpha := found.get(b"ALPH"):
        sizes = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
        chunks = [(b"VP8X", bytes([_ALPHA_FLAG, 0, 0, 0]) + sizes), (b"ALPH", alpha), *chunks]
    return Essence("WEBP", _riff(*chunks), width, height, turned)


def _lossy_size(body: bytes) -> tuple[int, int]:
    """Read the header of a key frame (RFC 6386, 9.1)."""
    if len(body) < 10 or body[0] & 1 or body[3:6] != b"\x9d\x01\x2a":
        raise Undecodable("a WebP with a broken frame")
    width, height = (int.from_bytes(body[at : at + 2], "little") & 0x3FFF for at in (6, 8))
    refuse_shapeless(width, height)
    return width, height


def _lossless_size(body: bytes) -> tuple[int, int]:
    """Read two numbers of 14 bits, one less than the sides."""
    if len(body) < 5 or body[0] != 0x2F:
        raise Undecodable("a WebP with a broken frame")
    bits = int.from_bytes(body[1:5], "little")
    width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    refuse_shapeless(width, height)
    return width, height


def _chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    for _ in range(MOST_CHUNKS):
        if at + 8 > len(content):
            return
        end = at + 8 + int.from_bytes(content[at + 4 : at + 8], "little")
        if end > len(content):
            raise Undecodable("a WebP with a broken chunk")
        yield content[at : at + 4], content[at + 8 : end]
        at = end + end % 2
    raise Undecodable(f"a WebP of more than {MOST_CHUNKS} chunks")


def _riff(*chunks: tuple[bytes, bytes]) -> bytes:
    parts = [name + len(body).to_bytes(4, "little") + body + b"\0" * (len(body) % 2) for name, body in chunks]
    inner = b"WEBP" + b"".join(parts)
    return b"RIFF" + len(inner).to_bytes(4, "little") + inner


def _tiff(exif: bytes | None) -> bytes | None:
    """Return WebP's Exif data without the six-letter prefix of JPEG, which some programs leave there."""
    return exif.removeprefix(b"Exif\0\0") if exif else None
