"""What gunicorn and ``flask run`` import."""

from authsvc.app import create_app

app = create_app()
