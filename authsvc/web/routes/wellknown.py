"""Public documents with which other services verify tokens offline."""

from flask import Blueprint, Response, current_app, request
from marshmallow import INCLUDE, Schema, fields

from authsvc.values.tokens import ALGORITHM, CURVE
from authsvc.web import bodies
from authsvc.web.access import services
from authsvc.web.contracts.native import NATIVE
from authsvc.web.openapi import document
from authsvc.web.routing import Operation, View, add
from authsvc.web.who import PUBLIC

wellknown = Blueprint("wellknown", __name__)

_CACHE_SECONDS = 300


class Jwk(Schema):
    """A public key (RFC 7518 §6.2)."""

    kty = fields.String(required=True, metadata={"enum": ["EC"]})
    crv = fields.String(required=True, metadata={"enum": [CURVE]})
    x = fields.String(required=True)
    y = fields.String(required=True)
    kid = fields.String(required=True, metadata={"description": "RFC 7638 thumbprint"})
    use = fields.String(required=True, metadata={"enum": ["sig"]})
    alg = fields.String(required=True, metadata={"enum": [ALGORITHM]})


class JwkSet(Schema):
    """Every key that may sign a token."""

    keys = fields.List(fields.Nested(Jwk()), required=True)


class Metadata(Schema):
    """The metadata that verifying libraries read, with the names of OpenID Connect Discovery and RFC 8414.

    There is no OAuth flow for these tokens, so the lists of response and grant types are empty.
    """

    issuer = fields.String(required=True, metadata={"format": "uri"})
    jwks_uri = fields.String(required=True, metadata={"format": "uri"})
    subject_types_supported = fields.List(fields.String(), required=True)
    id_token_signing_alg_values_supported = fields.List(fields.String(), required=True)
    response_types_supported = fields.List(fields.String(), required=True)
    grant_types_supported = fields.List(fields.String(), required=True)
    introspection_endpoint = fields.String(required=True, metadata={"format": "uri"})
    introspection_endpoint_auth_methods_supported = fields.List(fields.String(), required=True)
    revocation_endpoint = fields.String(required=True, metadata={"format": "uri"})
    revocation_endpoint_auth_methods_supported = fields.List(fields.String(), required=True)


class Document(Schema):
    """An OpenAPI document."""

    class Meta:
        unknown = INCLUDE

    openapi = fields.String(required=True)
    info = fields.Dict(required=True)
    paths = fields.Dict(required=True)


def _jwks() -> Response:
    """Return the public keys (RFC 7517): only public members, ``kid`` as in RFC 7638."""
    keys = services().signing_keys
    return _cacheable(bodies.write(keys.published()), keys.max_age)


def _configuration() -> Response:
    """Return the issuer and the address of the keys (the applicable part of OpenID Connect Discovery)."""
    return _cacheable(bodies.write(current_app.extensions["authsvc-metadata"]))


def _openapi() -> Response:
    """Return the description of this API, generated from the routes."""
    return _cacheable(Response(document(), mimetype="application/json"))


def _cacheable(response: Response, seconds: int = _CACHE_SECONDS) -> Response:
    response.headers["Cache-Control"] = f"public, max-age={seconds}"
    response.add_etag()
    response.make_conditional(request)
    return response


def _add(rule: str, view: View, summary: str, answer: Schema) -> None:
    operation = Operation(NATIVE, PUBLIC, summary, answer, tag="discovery", limited="read")
    add(wellknown, "GET", rule, operation, view)


_add("/.well-known/jwks.json", _jwks, "The public keys that verify tokens", JwkSet())
_add(
    "/.well-known/openid-configuration",
    _configuration,
    "The issuer of the tokens, and the address of the keys",
    Metadata(),
)
_add("/openapi.json", _openapi, "This document", Document())
