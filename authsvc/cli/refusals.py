"""What a command says when it cannot do what it was asked, and how it exits: 1, or 75 when it will work later."""

from collections.abc import Iterator
from contextlib import contextmanager

import click

from authsvc.errors import AuthSvcError, ServiceBusy
from authsvc.services.administration import Refused


class Later(click.ClickException):
    """The same command will do later."""

    exit_code = 75  # EX_TEMPFAIL of sysexits.h


@contextmanager
def told() -> Iterator[None]:
    """Turn what the services raise into one sentence and an exit code."""
    try:
        yield
    except Refused as refusal:
        raise click.ClickException(str(refusal)) from None
    except ServiceBusy as busy:
        raise Later(f"{busy.en} ({busy})") from None
    except AuthSvcError as error:
        raise click.ClickException(f"{error.en} ({error})") from error
