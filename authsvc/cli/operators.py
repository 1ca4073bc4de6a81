"""``authsvc operators …``: the people who use the console and the operator API."""

import json
from dataclasses import asdict
from typing import get_args

import click
from flask.cli import with_appcontext

from authsvc.cli import confirmation
from authsvc.cli.confirmation import confirm
from authsvc.cli.house import services
from authsvc.cli.moments import utc
from authsvc.cli.refusals import Group
from authsvc.cli.tables import table
from authsvc.values.operator import OperatorRole

_HEAD = ("name", "role", "created", "rotated", "last used", "removed")


@click.group(cls=Group)
def operators() -> None:
    """People who use the console and the operator API."""


_name = click.argument("name")


@operators.command()
@_name
@click.option(
    "--role",
    type=click.Choice(get_args(OperatorRole)),
    default="read",
    show_default=True,
    help="read: look; support: also act; owner: also erase and merge.",
)
@with_appcontext
def add(name: str, role: OperatorRole) -> None:
    """Create an operator and print the credential once; only a hash is stored."""
    click.echo(services().operators.add(name, role))


@operators.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array instead of a table.")
@with_appcontext
def list_(as_json: bool) -> None:
    """List names, roles and times, also of operators who were removed."""
    found = services().operators.list_all()
    if as_json:
        rows = [{name: value for name, value in asdict(each).items() if name != "secret_hash"} for each in found]
        click.echo(json.dumps(rows))
        return
    for line in table(
        _HEAD,
        (
            (each.name, each.role, *map(utc, (each.created_at, each.rotated_at, each.last_used_at, each.removed_at)))
            for each in found
        ),
    ):
        click.echo(line)


@operators.command()
@_name
@click.argument("new_role", metavar="ROLE", type=click.Choice(get_args(OperatorRole)))
@with_appcontext
def role(name: str, new_role: OperatorRole) -> None:
    """Give an operator another role. It signs them out."""
    services().operators.set_role(name, new_role)
    click.echo(f"{new_role}  {name}")


@operators.command()
@_name
@with_appcontext
def rotate(name: str) -> None:
    """Replace an operator's credential and print the new one once. It signs them out."""
    click.echo(services().operators.rotate(name))


@operators.command()
@_name
@confirmation.yes
@with_appcontext
def remove(name: str, yes: bool) -> None:
    """Remove an operator, who is refused from the next request on. The name cannot be used again."""
    confirm(f"Remove the operator {name}? They are refused from now on; this cannot be undone.", yes)
    services().operators.remove(name)
    click.echo(f"removed  {name}")
