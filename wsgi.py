"""The application for gunicorn and ``flask run``."""

import sys

from authsvc.app import create_app
from authsvc.config import BadSettings
from authsvc.db.sqlitefile import UnfitDatabase
from authsvc.signing.keyset import BadKeys
from authsvc.web.routing import UndeclaredRoute

# gunicorn's exit code for an app that does not load: it ends, instead of starting one worker after another.
_NEVER = 4

try:
    app = create_app()
except (BadSettings, BadKeys, UnfitDatabase, UndeclaredRoute) as problems:
    sys.stderr.write(f"authsvc does not start:\n{problems}\n")
    sys.exit(_NEVER)
