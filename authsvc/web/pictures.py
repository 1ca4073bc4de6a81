"""Serves stored pictures, which never change under their names and which no browser executes."""

import hashlib

from flask import Response, request

TYPES = {"jpg": "image/jpeg", "png": "image/png", "webp": "image/webp"}


def picture_response(name: str, content: bytes) -> Response:
    """Return a picture, or 304 if the client has it; the extension of ``name`` matches its content."""
    response = Response(content, mimetype=TYPES[name.rpartition(".")[2]])
    response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
    response.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response.headers["Content-Disposition"] = "inline"
    response.set_etag(hashlib.sha256(content).hexdigest()[:32])
    response.make_conditional(request)
    return response
