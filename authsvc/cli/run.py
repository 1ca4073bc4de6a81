"""``authsvc run``: the service under gunicorn, with the configuration of the package."""

import os
import sys

import click

from authsvc import serving


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("options", metavar="[GUNICORN OPTIONS]...", nargs=-1, type=click.UNPROCESSED)
def run(options: tuple[str, ...]) -> None:
    """Start the service under gunicorn. It replaces this process and ends with gunicorn's exit codes.

    Everything that follows goes to gunicorn: authsvc run --check-config
    """
    sys.stdout.flush()
    command = [sys.executable, "-m", "gunicorn", "--config", str(serving.CONFIGURATION), *options]
    os.execv(sys.executable, command)  # noqa: S606 (this interpreter, without a shell)
