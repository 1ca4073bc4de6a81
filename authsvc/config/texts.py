"""Characters that editors, secret stores and input methods leave in a value: stripped at its ends, refused inside."""

import unicodedata
from pathlib import Path

# Characters that display nothing, although Unicode classifies them as letters, marks and symbols.
_BLANK = {"\u115f", "\u1160", "\u2800", "\u3164", "\uffa0", "\u034f", *map(chr, range(0xFE00, 0xFE10))}
# Controls, formats (zero-width, byte order mark), separators of lines and paragraphs, and spaces.
_INVISIBLE = {"Cc", "Cf", "Zl", "Zp", "Zs"}
# The forms in which a Chinese keyboard writes : / , . 1 and quotation marks; U+FF01 to U+FF5E correspond to ASCII.
_LOOKALIKES = {"\u3002", "\u3001", "\u2018", "\u2019", "\u201c", "\u201d", *map(chr, range(0xFF01, 0xFF5F))}
_QUOTES = {'""', "''"}


class Unreadable(Exception):
    """A file is missing, not readable, or not UTF-8 text."""


def read(path: Path) -> str:
    """Return a file's text without invisible characters at its ends. Raises Unreadable."""
    try:
        return trimmed(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise Unreadable from None


def trimmed(text: str) -> str:
    """Return the text without blanks, line ends and other invisible characters at both ends."""
    start, end = 0, len(text)
    while start < end and _is_invisible(text[start], allowed=""):
        start += 1
    while end > start and _is_invisible(text[end - 1], allowed=""):
        end -= 1
    return text[start:end]


def fault(text: str, *, lines: bool = False, is_free: bool = False) -> str | None:
    """Return what is wrong with a value, or None. ``lines`` allows line ends (PEM).

    A path or a name (``is_free``) may contain any visible character.
    """
    for character in text:
        if "\ud800" <= character <= "\udfff":  # how Python passes on bytes that are not text
            return "contains bytes that are not UTF-8 text"
        if _is_invisible(character, allowed=" \r\n" if lines else " "):
            return f"contains an invisible character (U+{ord(character):04X})"
        if character in _LOOKALIKES and not is_free:
            return f"contains a full-width character (U+{ord(character):04X}): type it in ASCII"
    return "is in quotation marks: remove them" if len(text) > 1 and text[0] + text[-1] in _QUOTES else None


def _is_invisible(character: str, allowed: str) -> bool:
    return character not in allowed and (unicodedata.category(character) in _INVISIBLE or character in _BLANK)
