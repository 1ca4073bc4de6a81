"""gunicorn as authsvc uses it: its configuration, and what it does differently on the wire and in the log."""

from pathlib import Path

# gunicorn runs a file again with every HUP, so that it reads changed settings, but would not import a module again.
CONFIGURATION = Path(__file__).with_name("configuration.py")
