"""``flask authsvc users …``: what an operator has to look at."""

import json
from dataclasses import asdict

import click
from flask import current_app
from flask.cli import with_appcontext

from authsvc.errors import AuthSvcError
from authsvc.services import Services

_HEAD = f"{'user':>12}  {'other user':>12}  mini program"


@click.group()
def users() -> None:
    """Look at users."""


@users.command()
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array instead of a table.")
@with_appcontext
def conflicts(as_json: bool) -> None:
    """List pairs of users who have one unionid, and of whom neither could give way.

    An identity of the user, in this mini program, carries the unionid of the other user. Up to 1,000 pairs.
    """
    services: Services = current_app.extensions["authsvc"]
    try:
        found = services.conflicts.list_all()
    except AuthSvcError as error:
        raise click.ClickException(f"{error.en} ({error})") from error
    if as_json:
        click.echo(json.dumps([asdict(conflict) for conflict in found]))
        return
    click.echo(_HEAD if found else "no conflicts")
    for conflict in found:
        click.echo(f"{conflict.user_id:>12}  {conflict.other_user_id:>12}  {conflict.appid}")
