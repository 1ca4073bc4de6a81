"""``flask authsvc …``: what an operator does from the shell."""

import click

from authsvc.cli.errors import errors
from authsvc.cli.init import init


@click.group()
def authsvc() -> None:
    """Set up and look after authsvc."""


authsvc.add_command(init)
authsvc.add_command(errors)
