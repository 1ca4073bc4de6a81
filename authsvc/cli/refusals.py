"""How a command that cannot do its work exits: with one sentence, and one of six exit codes."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from authsvc import context, errors
from authsvc.errors import AuthSvcError, DatabaseBusy, DatabaseUnusable
from authsvc.values.operator import Incomplete, Refused

DONE = 0
REFUSED = 1
USAGE = 2
PARTLY = 3
LATER = 75  # EX_TEMPFAIL of sysexits.h
INTERRUPTED = 130  # as shells report for a program that was ended with Ctrl-C
EXIT_CODES = f"""\b
Exit codes of all commands:
  {DONE}    done
  {REFUSED}    refused, not found, not confirmed or failed; the message says why
  {USAGE}    unknown or wrong options
  {PARTLY}    partly done: something is missing, and the message says what
  {LATER}   not now: too early, or the database or WeChat is busy or unavailable; the same will work later
  {INTERRUPTED}  interrupted"""
_KNOWN = (DONE, REFUSED, USAGE, PARTLY, LATER, INTERRUPTED)
_SHOWN_LINES = 20


class Later(click.ClickException):
    """The same command will work later."""

    exit_code = LATER


class Partly(click.ClickException):
    """It is partly done; the message says what is missing."""

    exit_code = PARTLY


class Interrupted(click.ClickException):
    """Somebody pressed Ctrl-C."""

    exit_code = INTERRUPTED

    def show(self, file: Any = None) -> None:
        """Print it on a separate line, because the terminal has written ``^C``."""
        click.echo(f"\ninterrupted: {self.message}", file=file, err=True)


class Group(click.Group):
    """A group of commands. Every refusal is printed as one sentence, with one of these exit codes."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Format as click does, and explain the exit codes in the help of each group."""
        super().__init__(*args, epilog=EXIT_CODES, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command. A bug in the code still results in a traceback."""
        before = context.is_command.set(True)
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise Interrupted("what was done before stays done") from None
        except SystemExit as end:
            if isinstance(end.code, int) and end.code not in _KNOWN:
                # wsgi.py has printed why there is no app, and ends with gunicorn's exit code for that.
                raise SystemExit(REFUSED) from None
            raise
        except Exception as error:
            told = _told(error)
            if told is None:
                raise
            raise told from None
        finally:
            context.is_command.reset(before)


@contextmanager
def resumable() -> Iterator[None]:
    """Tell after an interruption that the same command continues where this one stopped."""
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted("repeat the same command to continue where this one stopped") from None


def _told(error: Exception) -> click.ClickException | None:
    """Return the refusal for an error; None for one that click handles, or an unknown one."""
    match error:
        case Incomplete():
            return Partly(str(error))
        case Refused():
            return refusal(str(error), error.will_pass)
        case DatabaseUnusable() | DatabaseBusy():
            return refusal(str(error), errors.will_pass(error))
        case AuthSvcError():
            return refusal(f"{error.en} ({error.error}: {error})", errors.will_pass(error))
        case UnicodeEncodeError():
            # Bytes on the command line that are not text in its encoding arrive as lone surrogates (PEP 383).
            return refusal("an argument is not text in this terminal's encoding; use UTF-8")
        case BrokenPipeError():
            return None  # the reader has closed the pipe, and click ends silently
        case OSError():
            place = f"{error.filename}: " if error.filename else ""
            return refusal(f"{place}{error.strerror or error}")
    return None


def refusal(reason: str, will_pass: bool = False) -> click.ClickException:
    """Return the exception for something that is not done; ``will_pass``: the same command will work later."""
    return Later(reason) if will_pass else click.ClickException(reason)


def shortened(lines: list[str]) -> Iterator[str]:
    """Yield the first lines, indented, and the number of further lines."""
    yield from (f"  {line}" for line in lines[:_SHOWN_LINES])
    if (more := len(lines) - _SHOWN_LINES) > 0:
        yield f"  … and {more} more"
