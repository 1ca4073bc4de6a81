"""Pictures taken apart: what counts as too much, what is left of an honest one, and how it is turned."""

import io
import random
import struct
import zlib
from collections.abc import Iterator

import pytest
from PIL import Image, ImageChops, ImageOps

from authsvc.imaging import drawing, jpeg, png, webp
from authsvc.imaging.essence import Undecodable
from tests.harness import pictures
from tests.harness.pictures import MARK, chunk, encoded, exif, exif_tag, jpeg_of_segments, jpeg_segment, picture, riff

SIDE = 37


def noise(mode: str) -> Image.Image:
    """A picture whose every pixel counts, and whose sides are no multiples of anything."""
    size = (SIDE, 23)
    made = Image.frombytes("RGBA", size, random.Random(mode).randbytes(size[0] * size[1] * 4))
    return made.convert("L").convert(mode) if mode in ("1", "I;16") else made.convert(mode)


def honest() -> Iterator[tuple[str, bytes]]:
    for mode in ("RGB", "L", "CMYK"):
        yield f"JPEG {mode}", encoded(noise(mode), "JPEG")
        yield f"JPEG {mode}, progressive", encoded(noise(mode), "JPEG", progressive=True)
    yield "JPEG with restarts", encoded(noise("RGB"), "JPEG", restart_marker_blocks=1)
    yield "JPEG without subsampling", encoded(noise("RGB"), "JPEG", subsampling=0)
    for mode in ("RGB", "RGBA", "L", "LA", "P", "1", "I;16"):
        yield f"PNG {mode}", encoded(noise(mode), "PNG")
    yield "PNG with a clear colour", encoded(noise("P"), "PNG", transparency=3)
    for mode in ("RGB", "RGBA"):
        yield f"WebP {mode}", encoded(noise(mode), "WEBP")
        yield f"WebP {mode}, lossless", encoded(noise(mode), "WEBP", lossless=True)


HONEST = dict(honest())


@pytest.mark.parametrize("content", HONEST.values(), ids=HONEST.keys())
def test_what_is_left_of_an_honest_picture_shows_the_same(content: bytes) -> None:
    found = drawing.essence(content)
    with Image.open(io.BytesIO(content)) as before, Image.open(io.BytesIO(found.content)) as after:
        assert (found.form, found.width, found.height) == (before.format, *before.size)
        assert (after.format, after.mode, after.size) == (before.format, before.mode, before.size)
        assert ImageChops.difference(before.convert("RGBA"), after.convert("RGBA")).getbbox(alpha_only=False) is None
    ending, drawn = drawing.draw("avatar", content)
    assert (ending, drawn[:3]) == ("jpg", b"\xff\xd8\xff")


FRAMES = [picture(color=color) for color in ("teal", "red", "blue")]
ANIMATED = {
    "PNG": encoded(FRAMES[0], "PNG", save_all=True, append_images=FRAMES[1:]),
    "WebP": encoded(FRAMES[0], "WEBP", save_all=True, append_images=FRAMES[1:], lossless=True),
    "WebP with transparency": encoded(
        FRAMES[0].convert("RGBA"), "WEBP", save_all=True, append_images=FRAMES[1:], quality=90, alpha_quality=50
    ),
    "JPEG (MPO)": encoded(FRAMES[0], "MPO", save_all=True, append_images=FRAMES[1:], quality=95),
}


@pytest.mark.parametrize("content", ANIMATED.values(), ids=ANIMATED.keys())
def test_of_several_frames_the_first_is_left(content: bytes) -> None:
    found = drawing.essence(content)
    with Image.open(io.BytesIO(found.content)) as left:
        assert (getattr(left, "n_frames", 1), left.size) == (1, (60, 40))
        colour = left.convert("RGB").getpixel((50, 20))
    assert all(abs(got - wanted) < 12 for got, wanted in zip(colour, (0, 128, 128), strict=True))
    assert len(found.content) < len(content)


def test_metadata_is_left_behind_unread() -> None:
    bomb = zlib.compress(bytes(50_000_000), 9)
    profile = b"ICC_PROFILE\0\1\1" + MARK
    hidden = {
        "JPEG": jpeg_of_segments(
            *(jpeg_segment(marker, MARK) for marker in (0xFE, 0xE3, 0xED)), jpeg_segment(0xE2, profile)
        ),
        "PNG": pictures.png(
            chunk(b"iCCP", b"p\0\0" + bomb),
            chunk(b"zTXt", b"Comment\0\0" + bomb),
            chunk(b"iTXt", b"Comment\0\1\0\0\0" + bomb),
            chunk(b"tEXt", b"Comment\0" + MARK),
        ),
        "WEBP": encoded(picture(), "WEBP", icc_profile=MARK, xmp=MARK, exif=b"Exif\0\0" + MARK),
    }
    for form, content in hidden.items():
        found = drawing.essence(content)
        assert found.form == form
        assert MARK not in found.content and bomb not in found.content
        assert len(found.content) < 2000


# --- bounds ---------------------------------------------------------------------------------------------------

EMPTY = jpeg_segment(0xE1, b"Exif\0\0abcdef")
FRAME = encoded(picture(), "WEBP", lossless=True)[12:]
TOO_MUCH = {
    "scans": pictures.jpeg_of_empty_scans(jpeg.MOST_SCANS, (64, 64)),
    "scans for so many pixels": pictures.jpeg_of_empty_scans(10),
    "segments": jpeg_of_segments(EMPTY * jpeg.MOST_SEGMENTS),
    "markers without content": jpeg_of_segments(b"\xff\x01" * jpeg.MOST_SEGMENTS),
    "chunks of a PNG": pictures.png(chunk(b"prVt", b"") * png.MOST_CHUNKS),
    "chunks of a WebP": riff(*[(b"junk", b"")] * webp.MOST_CHUNKS, (b"VP8L", FRAME[8:])),
    "chunks of a frame": riff((b"ANMF", bytes(16) + (b"junk" + bytes(4)) * webp.MOST_CHUNKS + FRAME)),
    "pixels of a PNG": pictures.png_that_claims(5_001, 5_000),
    "pixels of a JPEG": pictures.jpeg_that_claims(5_001, 5_000),
    "pixels of a WebP": riff((b"VP8L", b"\x2f" + struct.pack("<I", 4000 | 4000 << 14) + FRAME[13:])),
    "sides of a PNG": pictures.png_that_claims(16_385, 1),
    "two frames": jpeg_of_segments(encoded(picture(), "JPEG")[2:-2]),
    "a JPEG in a JPEG": jpeg_of_segments(b"\xff\xd8"),
    "arithmetic coding": encoded(picture(), "JPEG").replace(b"\xff\xc0", b"\xff\xc9", 1),
    "a scan before its frame": b"\xff\xd8" + jpeg_segment(0xDA, b"\x01\x01\x00\x00\x3f\x00") + b"\xff\xd9",
    "a segment of one byte": jpeg_of_segments(b"\xff\xfe\x00\x01"),
}


@pytest.mark.parametrize("content", TOO_MUCH.values(), ids=TOO_MUCH.keys())
def test_what_no_honest_picture_has_is_refused(content: bytes) -> None:
    with pytest.raises(Undecodable):
        drawing.draw("avatar", content)


def test_what_honest_pictures_have_at_most_is_taken() -> None:
    piece = jpeg_segment(0xE2, b"ICC_PROFILE\0" + bytes(60_000))
    taken = [
        jpeg_of_segments(*[piece] * 30),
        jpeg_of_segments(EMPTY * 400),
        pictures.jpeg_of_empty_scans(20, (512, 512)),
        pictures.png(chunk(b"prVt", bytes(1000)) * 1000),
        pictures.png_of_size(2 * 1024 * 1024),
    ]
    for content in taken:
        assert drawing.draw("avatar", content)[0] == "jpg"


def test_every_cut_and_every_changed_byte_is_an_answer_and_no_surprise() -> None:
    chance = random.Random(11)
    for content in (*HONEST.values(), *ANIMATED.values(), pictures.with_gps()):
        damaged = [content[: chance.randrange(len(content))] for _ in range(6)]
        for _ in range(20):
            changed = bytearray(content)
            changed[chance.randrange(min(len(changed), 600))] = chance.randrange(256)
            damaged.append(bytes(changed))
        for piece in damaged:
            for kind in ("avatar", "code"):
                try:
                    drawing.draw(kind, piece)
                except Undecodable as refusal:
                    assert str(refusal).isprintable()


# --- which way up ---------------------------------------------------------------------------------------------

SIX = exif_tag(0x0112, 3, 1, b"\0\x06")
# Seen from phones, scanners and editors. Offsets point behind two entries and the four bytes after them.
ODD = {
    "alone": exif(SIX),
    "ResolutionUnit as LONG 70000": exif(SIX, exif_tag(0x0128, 4, 1, struct.pack(">I", 70_000))),
    "BitsPerSample as LONG 70000": exif(exif_tag(0x0102, 4, 1, struct.pack(">I", 70_000)), SIX),
    "Software as RATIONAL 0/0": exif(SIX, exif_tag(0x0131, 5, 1, struct.pack(">I", 38)), behind=bytes(8)),
    "a negative YResolution": exif(
        SIX, exif_tag(0x011B, 10, 1, struct.pack(">I", 38)), behind=struct.pack(">ii", -72, 1)
    ),
    "a private LONG8": exif(SIX, exif_tag(0xC000, 16, 1, struct.pack(">I", 38)), behind=bytes(8)),
    "an offset to nowhere": exif(exif_tag(0x010F, 2, 2**31, b"\xff\xff\xff\xff"), SIX),
    "as LONG": exif(exif_tag(0x0112, 4, 1, struct.pack(">I", 6))),
    "as BYTE": exif(exif_tag(0x0112, 1, 1, b"\x06")),
}


def bearing(form: str, content: bytes) -> bytes:
    """A picture of 60 × 40, orange on the left, with this Exif."""
    if form == "JPEG":
        return jpeg_of_segments(jpeg_segment(0xE1, b"Exif\0\0" + content))
    if form == "PNG":
        return pictures.png(chunk(b"eXIf", content))
    return encoded(picture(), "WEBP", exif=content)


def is_orange(colour: tuple[int, ...]) -> bool:
    return colour[0] > 200 and colour[2] < 60


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("content", ODD.values(), ids=ODD.keys())
def test_odd_but_honest_exif_turns_the_picture_and_harms_nothing(form: str, content: bytes) -> None:
    _, drawn = drawing.draw("avatar", bearing(form, content))
    with Image.open(io.BytesIO(drawn)) as made:
        assert made.size == (40, 60)
        assert is_orange(made.getpixel((20, 5))) and not is_orange(made.getpixel((20, 55)))


def test_every_orientation_is_that_of_the_library() -> None:
    drawing_of = picture()
    drawing_of.putpixel((0, 0), (255, 255, 255))
    for number in range(1, 9):
        for order, begin in ((">", b"MM\0*"), ("<", b"II*\0")):
            tag = struct.pack(f"{order}HHIHH", 0x0112, 3, 1, number, 0)
            tiff = begin + struct.pack(f"{order}IH", 8, 1) + tag + bytes(4)
            content = encoded(drawing_of, "PNG", exif=tiff)
            with Image.open(io.BytesIO(content)) as opened:
                expected = ImageOps.exif_transpose(opened).convert("RGB")
            _, drawn = drawing.draw("avatar", content)
            assert drawn == drawing._saved(expected, "JPEG", quality=85)


NONSENSE = [
    b"",
    b"MM\0*",
    b"MM\0*\xff\xff\xff\xff",
    b"MM\0*\0\0\0\x08\xff\xff",
    exif(exif_tag(0x0112, 3, 1, b"\0\x09")),
    exif(exif_tag(0x0112, 2, 1, b"6")),
    b"XX\0*\0\0\0\x08",
]


@pytest.mark.parametrize("content", NONSENSE)
def test_exif_that_makes_no_sense_turns_nothing(content: bytes) -> None:
    assert drawing.essence(bearing("JPEG", content)).orientation == 1


def test_without_exif_xmp_says_which_way_up() -> None:
    packet = b'<x:xmpmeta><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    found = [
        jpeg_of_segments(jpeg_segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + packet)),
        pictures.png(chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + packet)),
        encoded(picture(), "WEBP", xmp=packet),
        jpeg_of_segments(
            jpeg_segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + packet.replace(b'="6"', b">6<")),
        ),
    ]
    assert [drawing.essence(content).orientation for content in found] == [6] * 4
