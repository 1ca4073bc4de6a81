"""Refusals of a registration ticket as they are often counted: look, refuse, and count in a transaction after that."""

import time
from typing import Any

from sqlalchemy import Connection

from authsvc.app import create_app
from authsvc.db.queries import spent_tickets, users
from authsvc.errors import PhoneTaken, TicketInvalid
from authsvc.services.accounts.tickets import Ticket
from authsvc.services.signin.registration import Registrations
from authsvc.values.people import PhoneNumber
from authsvc.values.sessions import LoginResult

_register = Registrations.register
_use = spent_tickets.use


def _look(self: Registrations, connection: Connection, ticket: Ticket) -> None:
    used = spent_tickets._USES.run(connection, ticket_id=ticket.id).scalar() or 0
    if used >= 3:
        raise TicketInvalid("refused too often")


def _count_afterwards(
    self: Registrations, ticket_text: str, phone: PhoneNumber, *rest: Any, **named: Any
) -> LoginResult:
    ticket = self._tickets.open(ticket_text)

    def look(connection: Connection) -> None:
        _look(self, connection, ticket)
        if users.has_owner(connection, phone):
            raise PhoneTaken("typed in at registration")

    try:
        self._database.read(look)
    except PhoneTaken:
        time.sleep(0.02)
        self._database.run(lambda connection: _use(connection, ticket.id, ticket.expires_at, 0))
        raise
    return _register(self, ticket_text, phone, *rest, **named)


Registrations.register = _count_afterwards
app = create_app()
