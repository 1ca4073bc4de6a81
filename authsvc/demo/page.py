"""What the demo prints: one line per fact, long values shortened."""

import json
import os
import shutil
import sys
import textwrap
from typing import Any

import click


class Page:
    """Writes the steps: one line per fact, colour on a terminal only."""

    def __init__(self) -> None:
        self._colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
        self._width = min(max(shutil.get_terminal_size((96, 24)).columns, 80), 100)
        self._step = 0

    def line(self, text: str = "") -> None:
        click.echo(text)

    def title(self, text: str) -> None:
        click.echo(f"\n{self._paint('1', text)}\n")

    def fact(self, name: str, text: str) -> None:
        click.echo(f"  {self._paint('36', f'{name:<10}')} {text}")

    def step(self, who: str, what: str) -> None:
        """``who`` is one party, or "one → another"."""
        self._step += 1
        click.echo(f"{self._paint('1;32', f'{self._step:>3}')}  {self._paint('36', who)}: {what}")

    def sent(self, what: object) -> None:
        self._detail("→", what)

    def got(self, what: object) -> None:
        self._detail("←", what)

    def note(self, what: str) -> None:
        self._detail(" ", what)

    def _detail(self, mark: str, what: object) -> None:
        # A name and its value stay on one line.
        text = what if isinstance(what, str) else json.dumps(what, ensure_ascii=False)
        joined = text.replace('": ', '":\0')
        lines = textwrap.wrap(joined, self._width - 13, break_on_hyphens=False, break_long_words=False)
        for number, line in enumerate(lines):
            click.echo(f"       {self._paint('2', mark if number == 0 else ' ')} {line.replace(chr(0), ' ')}")

    def _paint(self, code: str, text: str) -> str:
        return f"\033[{code}m{text}\033[0m" if self._colour else text


def short(text: str, head: int = 8, tail: int = 4) -> str:
    """Return the two ends of a long value: enough to recognise it, but not to use it."""
    return text if len(text) <= head + tail + 1 else f"{text[:head]}…{text[-tail:]}"


def shortened(value: Any) -> Any:
    """Return a JSON value with every long text shortened by ``short``, except addresses of pictures."""
    if isinstance(value, dict):
        return {name: shortened(item) for name, item in value.items()}
    if isinstance(value, str) and len(value) > 40:
        return short(value, 30, 6) if value.startswith("http") else short(value)
    return value
