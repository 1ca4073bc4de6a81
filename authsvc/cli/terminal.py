"""What a terminal or a pipe can show: people's text comes in every script, terminals do not."""

import sys
from io import TextIOWrapper

# What a terminal obeys instead of showing it: controls, and what turns the rest of a line around.
_OBEYED = (*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
_ESCAPES = {code: f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" for code in _OBEYED}


def escape_what_does_not_fit() -> None:
    """Print characters that the encoding of the output lacks as ``\\U0001fa77`` instead of ending in a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def shown(text: str | None) -> str:
    """Return a text of somebody else's as one line that a terminal only shows."""
    return (text or "").translate(_ESCAPES)


def lacks_characters() -> bool:
    """True when the output cannot take every character: JSON then has to escape them its own way."""
    return not (sys.stdout.encoding or "").lower().startswith("utf")
