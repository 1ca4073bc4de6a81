"""Asking before something that cannot be undone."""

import sys
from collections.abc import Callable
from typing import Any

import click

from authsvc.cli.refusals import refusal


def yes(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the option ``--yes``, for scripts."""
    return click.option("--yes", is_flag=True, help="Do not ask for confirmation.")(command)


def confirm(question: str, yes: bool) -> None:
    """Ask the person at the terminal, unless ``yes``. Ends the command if they decline, or if nobody is there."""
    if yes:
        return
    if not sys.stdin.isatty():
        what, _, then = question.partition("?")
        grave = "this cannot be undone, and " if "cannot be undone" in then else ""
        raise refusal(f"{what}: {grave}nobody is there to ask; add --yes")
    click.confirm(question, abort=True)
