"""``authsvc services …``: the credentials of the company's other services."""

import json
from typing import get_args

import click
from flask.cli import with_appcontext

from authsvc.cli import confirmation
from authsvc.cli.confirmation import confirm
from authsvc.cli.house import services
from authsvc.cli.moments import utc
from authsvc.cli.refusals import Group
from authsvc.cli.tables import table
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
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array instead of a table.")
@with_appcontext
def list_(as_json: bool) -> None:
    """List names, scopes and times."""
    found = services().service_credentials.list_all()
    if as_json:
        wanted = ("name", "scopes", "created_at")
        click.echo(json.dumps([{name: getattr(each, name) for name in wanted} for each in found]))
        return
    for line in table(("name", "scopes", "created"), ((e.name, ",".join(e.scopes), utc(e.created_at)) for e in found)):
        click.echo(line)


@credentials.command()
@click.argument("name")
@confirmation.yes
@with_appcontext
def remove(name: str, yes: bool) -> None:
    """Remove a credential. It is refused from the next request on, and cannot be restored."""
    confirm(f"Remove the credential {name}? Its service is refused from now on; this cannot be undone.", yes)
    if not services().service_credentials.remove(name):
        raise click.ClickException(f"there is no credential {name}; see: authsvc services list")
    click.echo(f"removed  {name}")
