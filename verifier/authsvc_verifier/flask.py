"""A guard for the views of a Flask service. It is imported separately, because the verifier needs no Flask."""

import re
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from flask import Response, current_app, g, jsonify, request

from authsvc_verifier.errors import CannotVerify, TokenRefused
from authsvc_verifier.verifier import Verifier

View = TypeVar("View", bound=Callable[..., Any])
_BEARER = re.compile(r"bearer +(\S+) *\Z", re.IGNORECASE)


def token_required(verifier: Verifier) -> Callable[[View], View]:
    """Accept only requests with a valid bearer token; its claims are in ``flask.g.claims``.

    Answers 401 with ``WWW-Authenticate`` (RFC 6750) if the token is refused, and 503 if it cannot be verified.
    """

    def guard(view: View) -> View:
        @wraps(view)
        def guarded(*arguments: Any, **named: Any) -> Any:
            given = _BEARER.match(request.headers.get("Authorization", ""))
            if given is None:
                return _refusal(401, "unauthorized", "Bearer")
            try:
                g.claims = verifier.verify(given[1])
            except TokenRefused:
                return _refusal(401, "invalid_token", 'Bearer error="invalid_token"')
            except CannotVerify:
                return _refusal(503, "temporarily_unavailable")
            return current_app.ensure_sync(view)(*arguments, **named)

        return guarded  # type: ignore[return-value]  # wraps() keeps what the view is called with

    return guard


def _refusal(status: int, error: str, challenge: str | None = None) -> Response:
    response: Response = jsonify(error=error)
    response.status_code = status
    response.headers["Cache-Control"] = "no-store"
    if challenge is None:
        response.headers["Retry-After"] = "5"
    else:
        response.headers["WWW-Authenticate"] = challenge
    return response
