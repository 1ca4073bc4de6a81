"""Signing in to the console and out of it. A browser trades the operator's credential for a session."""

import logging

from flask import Response

from authsvc.errors import Unauthenticated
from authsvc.values.operator import SignedInOperator
from authsvc.web import bodies, consolecookie, origins
from authsvc.web.access import services
from authsvc.web.contracts.console import CONSOLE
from authsvc.web.routes.console import frame
from authsvc.web.routes.console.operations import add_act
from authsvc.web.routing import Operation, add
from authsvc.web.who import PUBLIC

logger = logging.getLogger(__name__)

signin = frame.blueprint("signin")


def _form() -> Response:
    """Return the form for the credential."""
    return frame.page("signin.html")


def _sign_in() -> Response:
    """Begin a session, and lead to the console; with any wrong credential, show the form again."""
    origins.refuse_other_sites()
    try:
        token = services().operators.sign_in(bodies.form_member("credential").strip())
    except Unauthenticated as refused:
        logger.info("refused: a sign-in to the console (%s)", refused)
        return frame.page("signin.html", 401, is_wrong=True)
    response = frame.redirect()
    consolecookie.give(response, token)
    return response


def _sign_out(operator: SignedInOperator) -> Response:
    """End the session, here and in the database."""
    services().operators.sign_out(operator)
    response = frame.redirect(frame.SIGN_IN)
    consolecookie.take(response)
    return response


_PAGE = {"type": "string"}
_FORM = Operation(
    CONSOLE,
    PUBLIC,
    "The form for an operator's credential",
    _PAGE,
    tag="console",
    media="text/html",
    limited="read",
    may_be_off=True,
)
_TAKEN = Operation(
    CONSOLE,
    PUBLIC,
    "Sign in to the console with a credential",
    _PAGE,
    tag="console",
    media="text/html",
    limited="operator",
    may_be_off=True,
    refuses=(401, 403),
)
add(signin, "GET", frame.SIGN_IN, _FORM, _form)
add(signin, "POST", frame.SIGN_IN, _TAKEN, _sign_in)
add_act(signin, "/sign-out", _sign_out, "Sign out of the console", "read")
