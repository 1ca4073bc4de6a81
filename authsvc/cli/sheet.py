"""A contact sheet of mini-program codes: HTML that prints twenty codes per A4 page, with cutting lines."""

from collections.abc import Iterable, Iterator
from html import escape
from itertools import count, islice
from pathlib import Path

from authsvc.values.invites import InviteCode

_TO_A_PAGE = 20
# 190 × 276 mm of the 190 × 277 within the margins, because a page that is slightly too long prints an empty one.
_STYLE = """\
<style>
@page { size: A4 portrait; margin: 10mm; }
body { margin: 0; font-family: "DejaVu Sans Mono", Consolas, Menlo, monospace; color: #000; }
.page { width: 190mm; height: 276mm; display: grid; grid-template: repeat(5, 1fr) / repeat(4, 1fr); break-after: page; }
.page:last-child { break-after: auto; }
figure { margin: 0 -0.2mm -0.2mm 0; min-width: 0; border: 0.2mm dashed #aaa; text-align: center;
  display: flex; flex-direction: column; align-items: center; justify-content: center; }
img { width: 41mm; height: 41mm; object-fit: contain; }
figcaption { font-size: 10pt; line-height: 4.4mm; overflow-wrap: anywhere; }
small { font-size: 7pt; color: #555; display: block; line-height: 3.4mm; min-height: 3.4mm; }
@media screen {
  body { background: #ddd; }
  .page { background: #fff; outline: 10mm solid #fff; margin: 18mm auto 28mm; }
}
</style>
"""

Labelled = tuple[InviteCode, tuple[str, bytes]]


def write(out: Path, title: str, pictures: Iterable[Labelled]) -> int:
    """Write the sheet, and the pictures into a folder beside it; return how many there are.

    Each picture comes with its code, its file name (for the extension) and its content.
    """
    folder = out.with_name(f"{out.stem}_files")
    folder.mkdir(exist_ok=True)
    total = 0
    with out.open("w", encoding="utf-8") as file:
        file.write(f'<!doctype html>\n<meta charset="utf-8">\n<title>{escape(title)}</title>\n{_STYLE}')
        figures = _figures(folder, pictures)
        while page := list(islice(figures, _TO_A_PAGE)):
            file.write('<div class="page">\n' + "".join(page) + "</div>\n")
            total += len(page)
    return total


def _figures(folder: Path, pictures: Iterable[Labelled]) -> Iterator[str]:
    """Store each picture and yield its figure. Files are numbered, because some disks ignore case in names."""
    for number, (invite, (name, content)) in zip(count(1), pictures, strict=False):
        file = folder / f"{number:05d}-{invite.code}{Path(name).suffix}"
        file.write_bytes(content)
        batch = f"{invite.batch} {invite.batch_number}" if invite.batch else ""
        yield (
            f'<figure><img src="{folder.name}/{file.name}" alt=""><figcaption>{escape(invite.code)}'
            f"<small>{escape(batch)}</small></figcaption></figure>\n"
        )
