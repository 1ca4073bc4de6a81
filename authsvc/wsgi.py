"""The application for gunicorn and for commands. Needs its settings as soon as it is imported."""

import sys

import click
from flask.cli import NoAppException

from authsvc.app import create_app
from authsvc.config import BadSettings
from authsvc.db.sqlitefile import UnfitDatabase
from authsvc.signing.keyset import BadKeys
from authsvc.web.routing import UndeclaredRoute

# gunicorn's exit code for an app that does not load: it ends, instead of starting one worker after another.
_NEVER = 4


class NoApp(NoAppException):
    """There is no app, and the text says why. Flask prints its help nevertheless, and ends any other command."""

    exit_code = 1


try:
    app = create_app()
except (BadSettings, BadKeys, UnfitDatabase, UndeclaredRoute) as problems:
    said = f"authsvc does not start:\n{problems}"
    if click.get_current_context(silent=True) is not None:
        raise NoApp(said) from None
    sys.stderr.write(f"{said}\n")
    sys.exit(_NEVER)
