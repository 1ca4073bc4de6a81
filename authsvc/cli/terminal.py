"""Output that a terminal or a pipe can show: texts may be in any script, but not every terminal supports that."""

import shutil
import sys
from io import TextIOWrapper
from pathlib import Path

# Characters that a terminal obeys instead of showing: controls, and those that reverse the rest of a line.
_OBEYED = (*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
_ESCAPES = {code: f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" for code in _OBEYED}


def escape_what_does_not_fit() -> None:
    """Print characters that the output encoding lacks as ``\\U0001fa77`` instead of failing with a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def shown(text: str | None) -> str:
    """Return a text from outside as one line without control characters."""
    return (text or "").translate(_ESCAPES)


def called() -> str:
    """Return how a person calls this program again, from this folder."""
    program = Path(sys.executable).with_name("authsvc")
    if not program.exists():
        return f"{sys.executable} -m authsvc"
    if shutil.which("authsvc") == str(program):
        return "authsvc"
    return str(program.relative_to(Path.cwd())) if program.is_relative_to(Path.cwd()) else str(program)


def lacks_characters() -> bool:
    """True if the output cannot show every character, so that JSON must be escaped."""
    return not (sys.stdout.encoding or "").lower().startswith("utf")
