"""``flask authsvc services …``: who of the company's other services may ask for what."""

import time
from typing import get_args

import click
from flask import current_app
from flask.cli import with_appcontext

from authsvc.services.operator.credentials import BadCredential, ServiceCredentials
from authsvc.values.operator import ServiceScope


@click.group()
def services() -> None:
    """Credentials of other services."""


@services.command()
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice(get_args(ServiceScope)),
    default=("access_token",),
    show_default=True,
    help="What it may do; may be repeated.",
)
@with_appcontext
def add(name: str, scopes: tuple[str, ...]) -> None:
    """Make a credential and print it, once: only a hash is kept."""
    try:
        click.echo(_credentials().add(name, scopes))
    except BadCredential as problem:
        raise click.ClickException(problem.reason) from None


@services.command(name="list")
@with_appcontext
def list_() -> None:
    """List names, scopes and dates."""
    for credential in _credentials().list_all():
        made = time.strftime("%Y-%m-%d", time.gmtime(credential.created_at))
        click.echo(f"{credential.name}  {','.join(credential.scopes)}  {made}")


@services.command()
@click.argument("name")
@with_appcontext
def remove(name: str) -> None:
    """Remove a credential. It is refused from the next request on."""
    if not _credentials().remove(name):
        raise click.ClickException("no such credential")
    click.echo(f"removed  {name}")


def _credentials() -> ServiceCredentials:
    found: ServiceCredentials = current_app.extensions["authsvc"].service_credentials
    return found
