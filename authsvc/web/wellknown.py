"""What other services read to verify our tokens by themselves."""

from flask import Blueprint, Response, current_app

from authsvc.web import bodies
from authsvc.web.openapi import document

wellknown = Blueprint("wellknown", __name__)

# Verifiers may keep the keys this long; a new key is published well before it signs.
_CACHE = "public, max-age=300"


@wellknown.get("/.well-known/jwks.json")
def jwks() -> Response:
    """The public keys (RFC 7517): public members only, ``kid`` by RFC 7638."""
    return _cacheable(current_app.extensions["authsvc-published"]["jwks"])


@wellknown.get("/.well-known/openid-configuration")
def configuration() -> Response:
    """Where the keys are and who issues (the part of OpenID Connect Discovery that is true of us)."""
    return _cacheable(current_app.extensions["authsvc-published"]["configuration"])


@wellknown.get("/openapi.json")
def openapi() -> Response:
    """The description of this API, made from the routes themselves."""
    return _cacheable(document())


def _cacheable(body: dict[str, object]) -> Response:
    response = bodies.write(body)
    response.headers["Cache-Control"] = _CACHE
    return response
