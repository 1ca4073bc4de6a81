"""What editors, secret stores and input methods leave in a value: trimmed at its ends, refused by name within it."""

import unicodedata
from pathlib import Path

# Characters that show nothing, though Unicode counts them among letters, marks and symbols.
_BLANK = {"\u115f", "\u1160", "\u2800", "\u3164", "\uffa0", "\u034f", *map(chr, range(0xFE00, 0xFE10))}
# Controls, formats (zero-width, byte order mark), separators of lines and paragraphs, and spaces.
_INVISIBLE = {"Cc", "Cf", "Zl", "Zp", "Zs"}
# As a Chinese keyboard writes : / , . 1 and quotation marks; U+FF01 to U+FF5E are the forms of ASCII.
_LOOKALIKES = {"\u3002", "\u3001", "\u2018", "\u2019", "\u201c", "\u201d", *map(chr, range(0xFF01, 0xFF5F))}
_QUOTES = {'""', "''"}


class Unreadable(Exception):
    """A file is missing, not ours to read, or no text in UTF-8."""


def read(path: Path) -> str:
    """Return a file's text without what is invisible at its ends. Raises Unreadable."""
    try:
        return trimmed(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise Unreadable from None


def trimmed(text: str) -> str:
    """Return the text without blanks, line ends and other invisible characters before and behind it."""
    start, end = 0, len(text)
    while start < end and _is_invisible(text[start], allowed=""):
        start += 1
    while end > start and _is_invisible(text[end - 1], allowed=""):
        end -= 1
    return text[start:end]


def fault(text: str, *, lines: bool = False, is_path: bool = False) -> str | None:
    """Return what no value may hold; None for a good one. ``lines`` allows line ends (PEM).

    A path may hold anything that can be seen.
    """
    for character in text:
        if "\ud800" <= character <= "\udfff":  # how Python hands on bytes that are no text
            return "holds bytes that are not text in UTF-8"
        if _is_invisible(character, allowed=" \r\n" if lines else " "):
            return f"holds an invisible character within (U+{ord(character):04X})"
        if character in _LOOKALIKES and not is_path:
            return f"holds a full-width character (U+{ord(character):04X}): type it in ASCII"
    return "is in quotation marks: leave them out" if len(text) > 1 and text[0] + text[-1] in _QUOTES else None


def _is_invisible(character: str, allowed: str) -> bool:
    return character not in allowed and (unicodedata.category(character) in _INVISIBLE or character in _BLANK)
