"""For gateways that ask before they let a request through: nginx auth_request, Traefik ForwardAuth, Envoy ext_authz."""

from typing import Any

from flask import Blueprint, Response

from authsvc.errors import Unauthenticated
from authsvc.values.sessions import Caller
from authsvc.web.contracts.native import NATIVE
from authsvc.web.routing import Operation, add
from authsvc.web.schemas import Body, Text
from authsvc.web.who import PERSON

gateway = Blueprint("gateway", __name__)

# Some gateways ask with the method of the request that waits.
_ANY = "GET HEAD POST PUT PATCH DELETE OPTIONS"


class _Wanted(Body):
    audience = Text(200, description="let in tokens with this aud only")


_WANTED = _Wanted()


def _verify(caller: Caller, body: dict[str, Any]) -> Response:
    """204 and X-Auth-User-Id, X-Auth-Session-Id, X-Auth-Appid for a token whose session lives; else 401 or 403."""
    audience = body.get("audience")
    if audience not in (None, caller.claims.audience):
        raise Unauthenticated("for another audience")
    return _let_in(caller, 204)


def _verify_path(caller: Caller, original: str = "") -> Response:
    """Envoy appends path and query of the request that waits, and takes no other status than 200 for a yes."""
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
_VERIFY_PATH = _operation("The same with 200, for gateways that append the path of the request that waits", 200)
add(gateway, _ANY, "/auth/verify", _VERIFY, _verify)
add(gateway, _ANY, "/auth/verify/", _VERIFY_PATH, _verify_path)
add(gateway, _ANY, "/auth/verify/<anything:original>", _VERIFY_PATH, _verify_path)
