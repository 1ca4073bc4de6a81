"""What a command works with."""

from flask import current_app

from authsvc.services import Services


def services() -> Services:
    """Return the use cases, built anew for this process: a command asks for them within ``with_appcontext``."""
    return Services.of(current_app.extensions)
