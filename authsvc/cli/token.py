"""``flask authsvc token …``: how the access_token stands. Its text is never printed."""

from collections.abc import Callable

import click
from flask import current_app
from flask.cli import with_appcontext

from authsvc.errors import AuthSvcError
from authsvc.services import Services
from authsvc.values.wechat import TokenStatus


@click.group()
def token() -> None:
    """Look at WeChat's access_token, or fetch it anew."""


_appid = click.option("--appid", default=None, help="Which mini program; default: the first.")


@token.command()
@_appid
@with_appcontext
def show(appid: str | None) -> None:
    """Tell age, expiry, source and the last failure of the stored token."""
    _tell(lambda services: services.access_tokens.peek(appid))


@token.command()
@_appid
@with_appcontext
def refresh(appid: str | None) -> None:
    """Ask WeChat now. stable_token gives the same token again until its last five minutes."""
    _tell(lambda services: services.access_tokens.refresh(appid))


def _tell(ask: Callable[[Services], TokenStatus]) -> None:
    services: Services = current_app.extensions["authsvc"]
    try:
        status = ask(services)
    except AuthSvcError as error:
        raise click.ClickException(f"{error.error}: {error}") from None
    if status.age is None:
        click.echo("no token stored")
    else:
        click.echo(f"fetched     {status.age} s ago, from {status.source}")
        click.echo(f"expires in  {status.expires_in} s")
    if status.failure is not None:
        click.echo(f"last fetch  failed {status.failed_ago} s ago: {status.failure}")
