"""``flask authsvc token …``: how the access_token stands. Its text is never printed."""

import click
from flask.cli import with_appcontext

from authsvc.cli.house import services
from authsvc.cli.refusals import Group
from authsvc.values.wechat import TokenStatus


@click.group(cls=Group)
def token() -> None:
    """Look at WeChat's access_token, or fetch it anew."""


_appid = click.option("--appid", default=None, help="Which mini program; default: the first.")


@token.command()
@_appid
@with_appcontext
def show(appid: str | None) -> None:
    """Tell age, expiry, source and the last failure of the stored token."""
    _tell(services().access_tokens.peek(appid))


@token.command()
@_appid
@with_appcontext
def refresh(appid: str | None) -> None:
    """Ask WeChat now. stable_token gives the same token again until its last five minutes."""
    _tell(services().access_tokens.refresh(appid))


def _tell(status: TokenStatus) -> None:
    if status.age is None:
        click.echo("no token stored")
    else:
        click.echo(f"fetched     {status.age} s ago, from {status.source}")
        click.echo(f"expires in  {status.expires_in} s")
    if status.failure is not None:
        click.echo(f"last fetch  failed {status.failed_ago} s ago: {status.failure}")
