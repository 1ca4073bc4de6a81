"""``flask authsvc token …``: the status of the access_token. The token is never printed."""

import json
from dataclasses import asdict

import click
from flask.cli import with_appcontext

from authsvc.cli.house import services
from authsvc.cli.refusals import Group
from authsvc.values.wechat import TokenStatus


@click.group(cls=Group)
def token() -> None:
    """Show the status of WeChat's access_token, or fetch a new one."""


_json = click.option("--json", "as_json", is_flag=True, help="Print a JSON object.")
_appid = click.option("--appid", default=None, help="The mini program; default: the first.")


@token.command()
@_appid
@_json
@with_appcontext
def show(appid: str | None, as_json: bool) -> None:
    """Show age, expiry, source and last failure of the stored token."""
    _tell(services().access_tokens.peek(appid), as_json)


@token.command()
@_appid
@_json
@with_appcontext
def refresh(appid: str | None, as_json: bool) -> None:
    """Fetch a token from WeChat now. stable_token returns the same token until its last five minutes."""
    _tell(services().access_tokens.refresh(appid), as_json)


def _tell(status: TokenStatus, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(asdict(status)))
        return
    if status.age is None:
        click.echo("no token stored")
    else:
        click.echo(f"fetched     {status.age} s ago, from {status.source}")
        click.echo(f"expires in  {status.expires_in} s")
    if status.failure is not None:
        click.echo(f"last fetch  failed {status.failed_ago} s ago: {status.failure}")
