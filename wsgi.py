"""The application in a checkout, where ``gunicorn wsgi:app`` and ``flask`` find it."""

from authsvc.wsgi import app

__all__ = ["app"]
