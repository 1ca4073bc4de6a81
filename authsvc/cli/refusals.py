"""What a command says when it cannot do what it was asked, and how it exits: one sentence, and one of six numbers."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from authsvc import errors
from authsvc.errors import AuthSvcError, DatabaseUnusable
from authsvc.values.operator import Incomplete, Refused

DONE = 0
REFUSED = 1
USAGE = 2
PARTLY = 3
LATER = 75  # EX_TEMPFAIL of sysexits.h
INTERRUPTED = 130  # what a shell says of a program that Ctrl-C ended
EXIT_CODES = f"""\b
Exit codes of all commands:
  {DONE}    done
  {REFUSED}    refused, not found, not confirmed or failed; the message says why
  {USAGE}    unknown or wrong options
  {PARTLY}    done in part: something is missing, and the message says what
  {LATER}   not now: too early, or the database or WeChat is busy or away; the same will do later
  {INTERRUPTED}  interrupted"""
_KNOWN = (DONE, REFUSED, USAGE, PARTLY, LATER, INTERRUPTED)
_SHOWN_LINES = 20


class Later(click.ClickException):
    """The same command will do later."""

    exit_code = LATER


class Partly(click.ClickException):
    """It is done but for something, which the message names."""

    exit_code = PARTLY


class Interrupted(click.ClickException):
    """Somebody pressed Ctrl-C."""

    exit_code = INTERRUPTED

    def show(self, file: Any = None) -> None:
        """Print it on a line of its own: the terminal has written ``^C``."""
        click.echo(f"\ninterrupted: {self.message}", file=file, err=True)


class Group(click.Group):
    """A group of commands. Whatever one raises is told in a sentence, and it ends with one of our numbers."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """As click does, and the help of each group says what the numbers mean."""
        super().__init__(*args, epilog=EXIT_CODES, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command. A fault of the code stays a traceback."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise Interrupted("what it had done by then stays done") from None
        except SystemExit as end:
            if isinstance(end.code, int) and end.code not in _KNOWN:
                # wsgi.py has said why there is no app, and ends with gunicorn's number for that.
                raise SystemExit(REFUSED) from None
            raise
        except Exception as error:
            told = _told(error)
            if told is None:
                raise
            raise told from None


@contextmanager
def resumable() -> Iterator[None]:
    """Say of an interrupted command that it goes on where it stopped."""
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted("the same command goes on where this one stopped") from None


def _told(error: Exception) -> click.ClickException | None:
    """Return what an error is to an operator; None for one that click knows by itself, or nobody."""
    match error:
        case Incomplete():
            return Partly(str(error))
        case Refused():
            return refusal(str(error), error.will_pass)
        case DatabaseUnusable():
            return refusal(f"the database cannot be used ({error})")
        case AuthSvcError():
            return refusal(f"{error.en} ({error.error}: {error})", errors.will_pass(error))
        case UnicodeEncodeError():
            # Bytes on the command line that are no text in its encoding arrive as lone surrogates (PEP 383).
            return refusal("an argument is not text in this terminal's encoding: use UTF-8")
        case BrokenPipeError():
            return None  # whoever read has heard enough: click ends in silence
        case OSError():
            place = f"{error.filename}: " if error.filename else ""
            return refusal(f"{place}{error.strerror or error}")
    return None


def refusal(reason: str, will_pass: bool = False) -> click.ClickException:
    """Return what to raise for something that is not done; ``will_pass``: the same command will do later."""
    return Later(reason) if will_pass else click.ClickException(reason)


def shortened(lines: list[str]) -> Iterator[str]:
    """Yield the first lines, indented, and how many there are besides."""
    yield from (f"  {line}" for line in lines[:_SHOWN_LINES])
    if (more := len(lines) - _SHOWN_LINES) > 0:
        yield f"  … and {more} more"
