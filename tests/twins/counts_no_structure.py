"""A helper process that decodes whatever it is sent; what is left are the kernel's limits."""

from authsvc.imaging import __main__ as helper
from authsvc.imaging import drawing
from authsvc.imaging.essence import Essence


def _uncounted(content: bytes) -> Essence:
    forms = {b"\xff": "JPEG", b"\x89": "PNG", b"R": "WEBP"}
    form = forms[content[:1]]
    with drawing.Image.open(drawing.io.BytesIO(content), formats=(form,)) as picture:
        width, height = picture.size
    return Essence(form, content, width, height)


drawing.essence = _uncounted
drawing.MOST_PIXELS = dict.fromkeys(drawing.MOST_PIXELS, 10**9)
helper.CPU_SECONDS = 0

if __name__ == "__main__":
    helper.main()
