"""Takes JPEG files apart. ITU T.81, Annex B, defines their structure.

A decoder goes over all blocks of the picture once per scan, even for an empty scan, so 30 bytes can cost as much as a
photograph. It also reads every segment before the first scan, and joins those of one kind.
"""

import re

from authsvc.imaging.essence import Essence, Undecodable, refuse_shapeless
from authsvc.imaging.orientation import orientation

# Segments and scans together. Phones and editors write up to a hundred, most of them pieces of a profile or a preview.
MOST_SEGMENTS = 512
# Programs write at most ten.
MOST_SCANS = 64
# Scans × pixels: ten scans of a picture of 25 megapixels.
MOST_PASSES = 256_000_000

# A marker: not a byte of data (stuffed with 00), a restart (D0 to D7) or a fill byte (FF).
_MARKER = re.compile(rb"\xff([\x01-\xcf\xd8-\xfe])")
_SOI, _EOI, _SOS, _TEM = 0xD8, 0xD9, 0xDA, 0x01
# Baseline, extended, progressive. Lossless, hierarchical and arithmetic ones are not in use.
_FRAMES = {0xC0, 0xC1, 0xC2}
_FOREIGN = {0xC3, 0xC5, 0xC6, 0xC7, 0xC8, 0xC9, 0xCA, 0xCB, 0xCC, 0xCD, 0xCE, 0xCF, 0xDC, 0xDE, 0xDF}
# Quantization, Huffman codes, restart interval.
_TABLES = {0xDB, 0xC4, 0xDD}
# The segments that define the colours: the first of each.
_COLOURS = {0xE0: b"JFIF\0", 0xEE: b"Adobe"}
_APP1, _EXIF, _XMP = 0xE1, b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0"


def read(content: bytes) -> Essence:
    """Return the essence of a JPEG, up to its first end. Raises Undecodable."""
    reader = _Reader(content)
    reader.read()
    return reader.essence()


class _Reader:
    def __init__(self, content: bytes) -> None:
        self._content = content
        self._kept = [b"\xff\xd8"]
        self._size: tuple[int, int] | None = None
        self._scans = 0
        self._seen: set[int] = set()
        self._exif: bytes | None = None
        self._xmp: bytes | None = None

    def essence(self) -> Essence:
        if self._size is None or not self._scans:
            raise Undecodable("a JPEG without pixels")
        return Essence("JPEG", b"".join(self._kept), *self._size, orientation(self._exif, self._xmp))

    def read(self) -> None:
        at = 2
        for _ in range(MOST_SEGMENTS):
            found = _MARKER.search(self._content, at)
            if found is None:
                raise Undecodable("a JPEG without an end")
            marker = found[1][0]
            if marker == _EOI:
                self._kept.append(b"\xff\xd9")
                return
            at = found.end()
            if marker != _TEM:
                at = self._segment(marker, found.start())
        raise Undecodable(f"a JPEG of more than {MOST_SEGMENTS} segments")

    def _segment(self, marker: int, start: int) -> int:
        """Read the segment with this marker; return where to continue."""
        length = int.from_bytes(self._content[start + 2 : start + 4])
        end = start + 2 + length
        if marker == _SOI or length < 2 or end > len(self._content):
            raise Undecodable("a JPEG with a broken segment")
        body = self._content[start + 4 : end]
        if marker in _FRAMES:
            self._frame(body)
        elif marker in _FOREIGN:
            raise Undecodable(f"a JPEG of an unsupported kind: {marker:02x}")
        elif marker == _SOS:
            end = self._scan(end)
        elif marker == _APP1:
            self._note(body)
        if marker in _FRAMES or marker in _TABLES or marker == _SOS or self._says_colours(marker, body):
            self._kept.append(self._content[start:end])
        return end

    def _frame(self, body: bytes) -> None:
        if self._size is not None or len(body) < 6:
            raise Undecodable("a JPEG with two frames, or a broken one")
        height, width = int.from_bytes(body[1:3]), int.from_bytes(body[3:5])
        refuse_shapeless(width, height)
        self._size = width, height

    def _scan(self, end: int) -> int:
        """Count a scan; return where its data ends."""
        if self._size is None:
            raise Undecodable("a JPEG with an empty scan")
        self._scans += 1
        width, height = self._size
        if self._scans > MOST_SCANS or self._scans * width * height > MOST_PASSES:
            raise Undecodable(f"a JPEG of {self._scans} scans or more")
        found = _MARKER.search(self._content, end)
        return len(self._content) if found is None else found.start()

    def _note(self, body: bytes) -> None:
        if self._exif is None and body.startswith(_EXIF):
            self._exif = body[len(_EXIF) :]
        elif self._xmp is None and body.startswith(_XMP):
            self._xmp = body[len(_XMP) :]

    def _says_colours(self, marker: int, body: bytes) -> bool:
        says = marker in _COLOURS and marker not in self._seen and body.startswith(_COLOURS[marker])
        if says:
            self._seen.add(marker)
        return says
