"""What a command says when it cannot do what it was asked, and how it exits: 1, or 75 when it will work later."""

from collections.abc import Iterator
from contextlib import contextmanager

import click

from authsvc.errors import AuthSvcError, DatabaseUnusable, ServiceBusy
from authsvc.services.invites.campaigns import BadCampaign
from authsvc.services.operator.users import Refused

PARTLY = 3
LATER = 75  # EX_TEMPFAIL of sysexits.h
INTERRUPTED = 130
_SHOWN_LINES = 20


class Later(click.ClickException):
    """The same command will do later."""

    exit_code = LATER


@contextmanager
def told() -> Iterator[None]:
    """Turn what the services raise into one sentence and an exit code."""
    try:
        yield
    except (Refused, BadCampaign) as refusal:
        raise click.ClickException(str(refusal)) from None
    except DatabaseUnusable as unusable:
        raise click.ClickException(f"the database cannot be used ({unusable})") from None
    except ServiceBusy as busy:
        raise Later(f"{busy.en} ({busy})") from None
    except UnicodeEncodeError:
        # Bytes on the command line that are no text in its encoding arrive as lone surrogates (PEP 383).
        raise click.ClickException("an argument is not text in this terminal's encoding: use UTF-8") from None
    except AuthSvcError as error:
        raise click.ClickException(f"{error.en} ({error})") from error


@contextmanager
def resumable() -> Iterator[None]:
    """Do as ``told`` does, for a command that goes on where it was interrupted."""
    try:
        with told():
            yield
    except KeyboardInterrupt:
        click.echo("\ninterrupted: the same command goes on where this one stopped", err=True)
        raise SystemExit(INTERRUPTED) from None


def shortened(lines: list[str]) -> Iterator[str]:
    """Yield the first lines, indented, and how many there are besides."""
    yield from (f"  {line}" for line in lines[:_SHOWN_LINES])
    if (more := len(lines) - _SHOWN_LINES) > 0:
        yield f"  … and {more} more"
