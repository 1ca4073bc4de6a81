"""Registering with a ticket as it is often written: look first whether its WeChat is somebody's, spend it afterwards.

Twenty milliseconds pass in between, as they do where an ORM or a network lies there.
"""

import time
from typing import Any

from authsvc.app import create_app
from authsvc.db.queries import identities
from authsvc.errors import IdentityTaken, TicketInvalid
from authsvc.services.signin.registration import Registrations
from authsvc.values.sessions import LoginResult

_register = Registrations.register


def _look_then_spend(self: Registrations, ticket_text: str, *arguments: Any, **named: Any) -> LoginResult:
    ticket = self._tickets.open(ticket_text)
    found = self._database.read(lambda connection: identities.find(connection, ticket.appid, ticket.openid))
    time.sleep(0.02)
    try:
        return _register(self, ticket_text, *arguments, **named)
    except IdentityTaken:
        if found is None:
            raise TicketInvalid("used before") from None
        raise


Registrations.register = _look_then_spend
app = create_app()
