"""A WSGI module for gunicorn: authsvc in which some logins meet a fault of our own that nobody foresaw."""

from dataclasses import replace
from typing import Any

from authsvc.app import create_app
from authsvc.services.signin.login import Logins
from authsvc.services.signin.registration import Registrations
from authsvc.values.sessions import LoginCommand

CODE = "surprise"


class _Surprised:
    def __init__(self, login: Logins) -> None:
        self._login = login

    def log_in(self, command: LoginCommand) -> Any:
        if command.code == CODE:
            raise KeyError("what only the log may say")
        return self._login.log_in(command)


class _SurprisedToo:
    def __init__(self, registration: Registrations) -> None:
        self._registration = registration

    def register(self, ticket_text: str, **rest: Any) -> Any:
        if ticket_text == CODE:
            raise ZeroDivisionError("what only the log may say")
        return self._registration.register(ticket_text, **rest)


app = create_app()
_real = app.extensions["authsvc"]
app.extensions["authsvc"] = replace(
    _real, login=_Surprised(_real.login), registration=_SurprisedToo(_real.registration)
)
