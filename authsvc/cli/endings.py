"""How long commands end: a sentence on standard error, and an exit code that a script can go by."""

from collections.abc import Iterator
from contextlib import contextmanager

import click

from authsvc.cli.invitecsv import BadRows
from authsvc.errors import AuthSvcError
from authsvc.services.campaigns import BadCampaign

PARTLY = 3
LATER = 4
INTERRUPTED = 130
_SHOWN_PROBLEMS = 20


@contextmanager
def explained() -> Iterator[None]:
    """Say in a sentence what stopped the block, and end with its exit code."""
    try:
        yield
    except BadCampaign as problem:
        raise click.ClickException(str(problem)) from None
    except BadRows as bad:
        raise click.ClickException("nothing was done\n" + "\n".join(shortened(bad.problems))) from None
    except AuthSvcError as error:
        raise click.ClickException(f"{error.en} ({error})") from error
    except KeyboardInterrupt:
        click.echo("\ninterrupted: the same command goes on where this one stopped", err=True)
        raise SystemExit(INTERRUPTED) from None


def shortened(lines: list[str]) -> Iterator[str]:
    """Yield the first lines, indented, and how many there are besides."""
    yield from (f"  {line}" for line in lines[:_SHOWN_PROBLEMS])
    if (more := len(lines) - _SHOWN_PROBLEMS) > 0:
        yield f"  … and {more} more"
