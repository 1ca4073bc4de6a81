"""``authsvc db …``: the tables of the database, as the migrations make them.

``flask db …`` has the same commands, and those of Flask-Migrate for people who write migrations.
"""

import json

import click
from flask import current_app
from flask.cli import with_appcontext
from flask_migrate.cli import db as flask_migrate

from authsvc.cli.refusals import Group, resumable
from authsvc.db import revisions
from authsvc.db.database import Database


@click.group(cls=Group)
def db() -> None:
    """Create and change the tables of the database."""


@db.command()
@click.argument("revision", default="head", metavar="[REVISION]")
@click.option("--sql", "as_sql", is_flag=True, help="Print the statements, and run none.")
@with_appcontext
def upgrade(revision: str, as_sql: bool) -> None:
    """Bring the tables up to date, or to a revision.

    You can run it at any time, repeatedly, and again after an interruption.
    """
    if as_sql:
        revisions.print_statements(revision)
        return
    _database().refuse_newer(_database().revision())
    with resumable():
        revisions.upgrade(revision, lambda number, subject: click.echo(f"{number}  {subject}"))
    click.echo(f"up to date  {_database().revision()}")


@db.command()
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object.")
@with_appcontext
def current(as_json: bool) -> None:
    """Show which migration the database has, and the newest one."""
    found, newest = _database().revision(), _database().newest
    if as_json:
        click.echo(json.dumps({"revision": found, "newest": newest, "migrated": found == newest}))
        return
    click.echo(f"revision  {found or 'none'}\nnewest    {newest}")
    if found is None or found < newest:
        click.echo("next: authsvc db upgrade")


@db.command()
@with_appcontext
def check() -> None:
    """Check that every table and column is there and may be written to. Exit code 1 if not."""
    _database().prove()
    click.echo(f"up to date  {_database().revision()}")


def _database() -> Database:
    found: Database = current_app.extensions["authsvc-database"]
    return found


# What Flask-Migrate has beside these, for ``flask db``: migrate, downgrade, stamp and so on.
flask_db = Group(
    "db",
    params=flask_migrate.params,
    callback=flask_migrate.callback,
    help=db.help,
    commands={**flask_migrate.commands, **db.commands},
)
