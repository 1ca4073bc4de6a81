"""For gateways that check a request before passing it on: nginx auth_request, Traefik ForwardAuth, Envoy ext_authz."""

from typing import Any

from flask import Blueprint, Response

from authsvc.errors import Unauthenticated
from authsvc.values.sessions import Caller
from authsvc.web.contracts.native import NATIVE
from authsvc.web.routing import Operation, add
from authsvc.web.schemas import Body, Text
from authsvc.web.who import PERSON

gateway = Blueprint("gateway", __name__)

# Some gateways use the method of the original request.
_ANY = "GET HEAD POST PUT PATCH DELETE OPTIONS"


class _Wanted(Body):
    audience = Text(200, description="accept only tokens with this aud")


_WANTED = _Wanted()


def _verify(caller: Caller, body: dict[str, Any]) -> Response:
    """Answer 204 with X-Auth-User-Id, X-Auth-Session-Id, X-Auth-Appid for a token of a live session, or 401 or 403."""
    audience = body.get("audience")
    if audience not in (None, caller.claims.audience):
        raise Unauthenticated("for another audience")
    return _let_in(caller, 204)


def _verify_path(caller: Caller, original: str = "") -> Response:
    """Answer 200: Envoy appends path and query of the original request, and accepts only this status as a yes."""
    return _let_in(caller, 200)


def _let_in(caller: Caller, status: int) -> Response:
    response = Response(status=status)
    response.headers["X-Auth-User-Id"] = str(caller.user.id)
    response.headers["X-Auth-Session-Id"] = caller.session.id
    response.headers["X-Auth-Appid"] = caller.session.appid
    return response


def _operation(summary: str, status: int, wanted: _Wanted | None = None) -> Operation:
    return Operation(
        NATIVE, PERSON, summary, None, wanted, in_query=True, status=status, tag="gateway", limited="gateway"
    )


_VERIFY = _operation("Whether the bearer of this token is signed in", 204, _Wanted())
_VERIFY_PATH = _operation("The same with 200, for gateways that append the path of the original request", 200)
add(gateway, _ANY, "/auth/verify", _VERIFY, _verify)
add(gateway, _ANY, "/auth/verify/<anything:original>", _VERIFY_PATH, _verify_path)
