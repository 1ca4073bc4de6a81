"""The cookie that holds the token of an operator's session.

Its prefix ``__Host-`` makes browsers refuse it from other hosts and from plain http. Over http, which the settings
allow on this machine alone, it has no prefix.
"""

from flask import Response, current_app, request

_NAME = "authsvc-console"


def shown() -> str | None:
    """Return the token that this request shows."""
    return request.cookies.get(_name())


def give(response: Response, token: str) -> None:
    """Let the browser keep a token until it is closed."""
    response.set_cookie(_name(), token, path="/", secure=_is_secure(), httponly=True, samesite="Strict")


def take(response: Response) -> None:
    """Let the browser forget the token."""
    response.delete_cookie(_name(), path="/", secure=_is_secure(), httponly=True, samesite="Strict")


def _name() -> str:
    return f"__Host-{_NAME}" if _is_secure() else _NAME


def _is_secure() -> bool:
    return bool(current_app.config["SESSION_COOKIE_SECURE"])
