"""``flask authsvc purge``: what a cron job runs once a day."""

import click
from flask import current_app
from flask.cli import with_appcontext

from authsvc.errors import AuthSvcError
from authsvc.services import Services


@click.command()
@with_appcontext
def purge() -> None:
    """Erase accounts whose cooling-off period is over, and delete rows and pictures that are kept for a while only.

    Safe to run at any time, again, and beside itself.
    """
    services: Services = current_app.extensions["authsvc"]
    try:
        click.echo(f"closed accounts: {services.closing.erase_due()} erased")
        click.echo(f"pictures of codes: {services.qrcodes.sweep()} deleted")
        for kind, count in services.retention.purge().items():
            click.echo(f"{kind}: {count} deleted")
    except AuthSvcError as error:
        raise click.ClickException(f"{error.en} ({error})") from error
