"""The orientation of a picture: one number, read from Exif or XMP without reading the rest of either.

Exif is a TIFF directory. Cameras and editors write invalid values into its other entries (a resolution with a zero
denominator, a unit as a long number), at which libraries fail; they are skipped here.
"""

import re
import struct

_TAG = 0x0112
# Its observed types: BYTE, SHORT, LONG. The value is at the beginning of the entry's last field.
_VALUES = {1: "B", 3: "H", 4: "I"}
_ENTRY_BYTES = 12
# Cameras write about forty.
_MOST_ENTRIES = 1000
_XMP = re.compile(rb"tiff:Orientation(?:=[\"']|>)([1-8])[\"'<]")


def orientation(exif: bytes | None, xmp: bytes | None) -> int:
    """Return 1 to 8 from Exif, or else from XMP; 1 (unchanged) if neither has a valid value."""
    return (exif and _of_exif(exif)) or (xmp and _of_xmp(xmp)) or 1


def _of_exif(exif: bytes) -> int | None:
    """Read the first directory of a TIFF structure."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(exif[:4])
    if order is None or len(exif) < 8:
        return None
    (start,) = struct.unpack_from(f"{order}I", exif, 4)
    if start + 2 > len(exif):
        return None
    (count,) = struct.unpack_from(f"{order}H", exif, start)
    for number in range(min(count, _MOST_ENTRIES)):
        at = start + 2 + number * _ENTRY_BYTES
        if at + _ENTRY_BYTES > len(exif):
            return None
        tag, kind = struct.unpack_from(f"{order}HH", exif, at)
        if tag == _TAG and kind in _VALUES:
            (value,) = struct.unpack_from(f"{order}{_VALUES[kind]}", exif, at + 8)
            return int(value) if 1 <= value <= 8 else None
    return None


def _of_xmp(xmp: bytes) -> int | None:
    found = _XMP.search(xmp)
    return int(found[1]) if found else None
