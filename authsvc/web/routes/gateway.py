"""For gateways that ask before they let a request through: nginx auth_request, Traefik ForwardAuth, Envoy ext_authz."""

from typing import Any

from flask import Blueprint, Response

from authsvc.errors import Unauthenticated
from authsvc.values.sessions import Caller
from authsvc.web import bodies, guards
from authsvc.web.contracts.native import NATIVE
from authsvc.web.routing import Operation, describe
from authsvc.web.schemas import Body, Text

gateway = Blueprint("gateway", __name__)

# Some gateways ask with the method of the request that waits.
_ANY = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


class _Wanted(Body):
    audience = Text(200, description="let in tokens with this aud only")


_WANTED = _Wanted()


def _operation(summary: str, status: int, wanted: _Wanted | None = None) -> Operation:
    known: dict[str, Any] = {"in_query": True, "bearer": True, "tag": "gateway", "limited": "gateway"}
    return Operation(NATIVE, summary, None, wanted, status=status, **known)


@gateway.route("/auth/verify", methods=_ANY, provide_automatic_options=False)
@describe(_operation("Whether the bearer of this token is signed in", 204, _WANTED))
def verify() -> Response:
    """204 and X-Auth-User-Id, X-Auth-Session-Id, X-Auth-Appid for a token whose session lives; else 401 or 403."""
    caller = guards.caller("gateway")
    audience = bodies.read_query(_WANTED).get("audience")
    if audience not in (None, caller.claims.audience):
        raise Unauthenticated("for another audience")
    return _let_in(caller, 204)


@gateway.route("/auth/verify/", defaults={"original": ""}, methods=_ANY, provide_automatic_options=False)
@gateway.route("/auth/verify/<anything:original>", methods=_ANY, provide_automatic_options=False)
@describe(_operation("The same with 200, for gateways that append the path of the request that waits", 200))
def verify_path(original: str) -> Response:
    """Envoy appends path and query of the request that waits, and takes no other status than 200 for a yes."""
    return _let_in(guards.caller("gateway"), 200)


def _let_in(caller: Caller, status: int) -> Response:
    response = Response(status=status)
    response.headers["X-Auth-User-Id"] = str(caller.user.id)
    response.headers["X-Auth-Session-Id"] = caller.session.id
    response.headers["X-Auth-Appid"] = caller.session.appid
    return response
