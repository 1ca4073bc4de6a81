"""Progress of a long command: a bar on a terminal, a line for every tenth in a pipe."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click


@contextmanager
def progress(label: str, total: int, done: int = 0) -> Iterator[Callable[[int], None]]:
    """Show progress while the block runs; yields a function to call with the number of newly finished items."""
    if sys.stdout.isatty():
        with click.progressbar(length=total, label=label, show_pos=True) as bar:
            bar.update(done)
            yield bar.update
    else:
        yield _Lines(label, total, done).update


class _Lines:
    def __init__(self, label: str, total: int, done: int) -> None:
        self._label = label
        self._total = total
        self._done = done

    def update(self, more: int) -> None:
        tenths = self._tenths()
        self._done += more
        if self._tenths() > tenths:
            click.echo(f"{self._label}: {self._done} of {self._total}")
            sys.stdout.flush()

    def _tenths(self) -> int:
        return self._done * 10 // self._total
