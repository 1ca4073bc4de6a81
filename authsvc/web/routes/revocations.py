"""The revocation feed, for the company's other services."""

from typing import Any

from flask import Blueprint, Response, request
from marshmallow import fields, validate

from authsvc.values.tokens import FEED_TYPE
from authsvc.web.access import services
from authsvc.web.contracts.oauth import OAUTH
from authsvc.web.routing import Operation, add
from authsvc.web.schemas import Body
from authsvc.web.who import Service

revocations = Blueprint("revocations", __name__)


class _Since(Body):
    since = fields.Integer(
        validate=validate.Range(0, 2**53),
        error_messages={"invalid": "type", "too_large": "malformed"},
        metadata={"description": "the `cursor` of an earlier answer; without it, the whole feed"},
    )


def _feed(body: dict[str, Any], service: str) -> Response:
    """Return a signed JWT with the entries since a cursor."""
    found = services().revocations.read(body.get("since"))
    response = Response(mimetype="application/jwt")
    response.set_etag(found.tag, weak=True)
    response.headers["Cache-Control"] = "private, no-cache"
    if request.if_none_match.contains_weak(found.tag):
        response.status_code = 304
    else:
        response.set_data(services().revocations.sign(found))
    return response


add(
    revocations,
    "GET",
    "/oauth/revocations",
    Operation(
        OAUTH,
        Service("introspect"),  # not public, because it shows which users left, and when
        "Sessions and users whose tokens are invalid before they expire",
        {"type": "string", "description": f"a JWT, typ {FEED_TYPE}; 304 with a matching If-None-Match"},
        fields=_Since(),
        tag="oauth",
        media="application/jwt",
    ),
    _feed,
)
