"""The application for gunicorn and for commands. Needs its settings as soon as it is imported."""

import sys
from typing import Any

import click
from flask.cli import NoAppException

from authsvc import context
from authsvc.app import create_app
from authsvc.config import BadSettings
from authsvc.db.sqlitefile import UnfitDatabase
from authsvc.errors import DatabaseUnusable, ServiceBusy
from authsvc.signing.keyset import BadKeys
from authsvc.web.routing import UndeclaredRoute

# gunicorn's exit code for an app that does not load: it ends, instead of starting one worker after another.
_NEVER = 4


class NoApp(NoAppException):
    """There is no app, and the text says why. Flask prints its help nevertheless, and ends any other command."""

    exit_code = 1

    def show(self, file: Any = None) -> None:
        """Print the text alone: the command was used rightly."""
        click.ClickException.show(self, file)


_IS_CHECK = "--check-config" in sys.argv
if _IS_CHECK:
    context.is_command.set(True)  # what there is to say, it says itself
try:
    app = create_app()
except (BadSettings, BadKeys, UnfitDatabase, UndeclaredRoute) as problems:
    said = f"authsvc does not start:\n{problems}"
    if click.get_current_context(silent=True) is not None:
        raise NoApp(said) from None
    sys.stderr.write(f"{said}\n")
    sys.exit(_NEVER)


def _check() -> None:
    """Look at the database as well, for ``gunicorn --check-config``: a service starts without it, and is not ready."""
    try:
        app.extensions["authsvc-database"].prove()
    except (UnfitDatabase, DatabaseUnusable) as problem:
        sys.stderr.write(f"authsvc starts, but is of no use:\n{problem}\n")
        sys.exit(_NEVER)
    except ServiceBusy as problem:
        sys.stderr.write(f"authsvc starts, but is of no use until this has passed:\n{problem}\n")


if _IS_CHECK:
    _check()
