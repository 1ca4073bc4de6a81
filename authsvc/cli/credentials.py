"""``flask authsvc services …``: the credentials of the company's other services."""

import time
from typing import get_args

import click
from flask.cli import with_appcontext

from authsvc.cli.house import services
from authsvc.cli.refusals import Group
from authsvc.values.operator import ServiceScope


@click.group("services", cls=Group)
def credentials() -> None:
    """Credentials of other services."""


@credentials.command()
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice(get_args(ServiceScope)),
    default=("access_token",),
    show_default=True,
    help="A permission of the credential; repeatable.",
)
@with_appcontext
def add(name: str, scopes: tuple[str, ...]) -> None:
    """Create a credential and print it once; only a hash is stored."""
    click.echo(services().service_credentials.add(name, scopes))


@credentials.command(name="list")
@with_appcontext
def list_() -> None:
    """List names, scopes and dates."""
    for credential in services().service_credentials.list_all():
        made = time.strftime("%Y-%m-%d", time.gmtime(credential.created_at))
        click.echo(f"{credential.name}  {','.join(credential.scopes)}  {made}")


@credentials.command()
@click.argument("name")
@with_appcontext
def remove(name: str) -> None:
    """Remove a credential. It is refused from the next request on."""
    if not services().service_credentials.remove(name):
        raise click.ClickException("there is no such credential")
    click.echo(f"removed  {name}")
