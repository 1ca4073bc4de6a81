"""The revocation feed, for the company's other services."""

from flask import Blueprint, Response, request
from marshmallow import fields, validate

from authsvc.web import bodies, guards
from authsvc.web.access import services
from authsvc.web.contracts.oauth import OAUTH
from authsvc.web.routing import Operation, describe
from authsvc.web.schemas import Body

revocations = Blueprint("revocations", __name__)


class _Since(Body):
    since = fields.Integer(
        validate=validate.Range(0, 2**53),
        error_messages={"invalid": "type", "too_large": "malformed"},
        metadata={"description": "the `cursor` of an earlier answer; without it everything that matters"},
    )


_SINCE = _Since()


@revocations.get("/oauth/revocations")
@describe(
    Operation(
        OAUTH,
        "Sessions and users whose tokens are worthless before they run out",
        {"type": "string", "description": "a JWT, typ revocations+jwt; 304 with a matching If-None-Match"},
        fields=_SINCE,
        scope="introspect",
        tag="oauth",
        media="application/jwt",
    )
)
def feed() -> Response:
    """A signed JWT of what ended since a cursor. Not public: it tells who of the users left, and when."""
    guards.client("introspect")
    found = services().revocations.read(bodies.read_query(_SINCE).get("since"))
    response = Response(mimetype="application/jwt")
    response.set_etag(found.tag, weak=True)
    response.headers["Cache-Control"] = "private, no-cache"
    if request.if_none_match.contains_weak(found.tag):
        response.status_code = 304
    else:
        response.set_data(services().revocations.sign(found))
    return response
