"""``flask authsvc session-keys …``: the stored session_keys of a user. They are never printed."""

import json
from dataclasses import asdict

import click
from flask.cli import with_appcontext

from authsvc.cli.house import services
from authsvc.cli.refusals import Group
from authsvc.cli.tables import table
from authsvc.values.wechat import HeldKey


@click.group("session-keys", cls=Group)
def session_keys() -> None:
    """Check or replace the keys of a user's encrypted data."""


_json = click.option("--json", "as_json", is_flag=True, help="Print a JSON array instead of a table.")


@session_keys.command()
@click.argument("user_id", type=int)
@_json
@with_appcontext
def check(user_id: int, as_json: bool) -> None:
    """Ask WeChat whether the stored session_keys of a user are still current."""
    _tell(services().wechat_sessions.check(user_id), as_json)


@session_keys.command()
@click.argument("user_id", type=int)
@_json
@with_appcontext
def reset(user_id: int, as_json: bool) -> None:
    """Have WeChat replace the session_keys of a user after a leak. Stale keys open nothing anyway."""
    _tell(services().wechat_sessions.reset(user_id), as_json)


def _tell(states: list[HeldKey], as_json: bool) -> None:
    if not states:
        raise click.ClickException("there is no such user, or the user has no identity")
    if as_json:
        click.echo(json.dumps([asdict(held) for held in states]))
        return
    for line in table(("identity", "mini program", "state"), ((h.identity_id, h.appid, h.state) for h in states)):
        click.echo(line)
