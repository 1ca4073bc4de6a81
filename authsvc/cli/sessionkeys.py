"""``flask authsvc session-keys …``: the stored session_keys of a user. They are never printed."""

import click
from flask.cli import with_appcontext

from authsvc.cli.house import services
from authsvc.cli.refusals import Group
from authsvc.values.wechat import HeldKey


@click.group("session-keys", cls=Group)
def session_keys() -> None:
    """Check or replace the keys of a user's encrypted data."""


@session_keys.command()
@click.argument("user_id", type=int)
@with_appcontext
def check(user_id: int) -> None:
    """Ask WeChat whether the stored session_keys of a user are still current."""
    _tell(services().wechat_sessions.check(user_id))


@session_keys.command()
@click.argument("user_id", type=int)
@with_appcontext
def reset(user_id: int) -> None:
    """Have WeChat replace the session_keys of a user after a leak. Stale keys open nothing anyway."""
    _tell(services().wechat_sessions.reset(user_id))


def _tell(states: list[HeldKey]) -> None:
    if not states:
        raise click.ClickException("there is no such user, or the user has no identity")
    for held in states:
        click.echo(f"identity {held.identity_id}  {held.appid}  {held.state}")
