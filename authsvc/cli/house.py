"""Access to the use cases for commands."""

from flask import current_app

from authsvc.services import Services


def services() -> Services:
    """Return the use cases, built for this process. A command calls this within ``with_appcontext``."""
    return Services.of(current_app.extensions)
