"""The error shape of OAuth 2.0 (RFC 6749 §5.2), for routes whose form is defined by an RFC."""

from typing import Any

from marshmallow import Schema, fields

from authsvc.errors import UnsupportedMediaType
from authsvc.web.contracts.shape import Contract, Problem

_NAMES = {
    401: "invalid_client",
    403: "insufficient_scope",
    429: "temporarily_unavailable",
    503: "temporarily_unavailable",
}


class OAuthError(Schema):
    """An error in the form of RFC 6749."""

    error = fields.String(
        required=True, metadata={"enum": sorted({*_NAMES.values(), "invalid_request", "server_error"})}
    )
    error_description = fields.String(required=True, metadata={"description": "English: the RFC allows ASCII only"})


def _render_error(problem: Problem) -> dict[str, Any]:
    name = _NAMES.get(problem.status, "invalid_request" if problem.status < 500 else "server_error")
    sentence = "The service credential is missing or not valid" if problem.status == 401 else problem.error.en
    blamed = f": {', '.join(problem.fields)}" if problem.fields else ""
    return {"error": name, "error_description": f"{sentence}{blamed}"}


OAUTH = Contract(
    name="oauth",
    prefixes=("/oauth/",),
    render_error=_render_error,
    error_answer=OAuthError(),
    statuses={UnsupportedMediaType: 400},
    challenge='Basic realm="authsvc", Bearer',
)
