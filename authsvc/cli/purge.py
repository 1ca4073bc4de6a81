"""``flask authsvc purge``: for a daily cron job."""

import click
from flask.cli import with_appcontext

from authsvc.cli.house import services


@click.command()
@with_appcontext
def purge() -> None:
    """Erase accounts whose cooling-off period is over, and delete rows and pictures whose time is over.

    You can run it at any time, repeatedly, and several times at once. On SQLite, if somebody was erased since the last
    time, the file is rewritten at the end, and writers wait meanwhile. Exit code 75: run it again.
    """
    click.echo(f"closed accounts: {services().closing.erase_due()} erased")
    click.echo(f"pictures of codes: {services().code_pictures.sweep()} deleted")
    for kind, count in services().retention.purge().items():
        click.echo(f"{kind}: {count} deleted")
    services().closing.scrub()
