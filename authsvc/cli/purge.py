"""``flask authsvc purge``: what a cron job runs once a day."""

import click
from flask.cli import with_appcontext

from authsvc.cli.house import services


@click.command()
@with_appcontext
def purge() -> None:
    """Erase accounts whose cooling-off period is over, and delete rows and pictures that are kept for a while only.

    Safe to run at any time, again, and beside itself. On SQLite, when somebody was erased since the last time, the
    file is written anew at the end, for which those who want to write wait. Exit code 75: run it again.
    """
    click.echo(f"closed accounts: {services().closing.erase_due()} erased")
    click.echo(f"pictures of codes: {services().code_pictures.sweep()} deleted")
    for kind, count in services().retention.purge().items():
        click.echo(f"{kind}: {count} deleted")
    services().closing.scrub()
