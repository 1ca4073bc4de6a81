"""Registration tickets: a new person's identity, sealed so that the client can carry it but not read it."""

import json
import secrets
from dataclasses import dataclass, field

from authsvc.clock import SystemClock
from authsvc.errors import TicketInvalid
from authsvc.sealing import Sealer

TICKET_SECONDS = 600
_MAX_TICKET_CHARS = 2048


@dataclass(frozen=True, slots=True)
class Ticket:
    """An opened ticket. ``expires_at`` is seconds UTC; ``invite_code`` is the unchecked invite code of the login."""

    id: str
    appid: str
    openid: str = field(repr=False)
    unionid: str | None = field(repr=False)
    expires_at: int
    invite_code: str | None = None


class RegistrationTickets:
    """Seals and opens tickets. The sealer's purpose ensures that no other sealed text is accepted as a ticket."""

    def __init__(self, sealer: Sealer, clock: SystemClock) -> None:
        self._sealer = sealer
        self._clock = clock

    def make(self, appid: str, openid: str, unionid: str | None, invite_code: str | None = None) -> str:
        """Return a ticket (ASCII text) that is valid for ten minutes."""
        expires_at = self._clock.seconds() + TICKET_SECONDS
        content = [secrets.token_urlsafe(16), appid, openid, unionid, expires_at, invite_code]
        return self._sealer.seal(json.dumps(content))

    def open(self, text: str) -> Ticket:
        """Return a valid, unexpired ticket; raises TicketInvalid for any other text. The caller must check its use."""
        content = self._sealer.open(text) if text.isascii() and len(text) <= _MAX_TICKET_CHARS else None
        if content is None:
            raise TicketInvalid("not a ticket of ours")
        ticket = Ticket(*json.loads(content))
        if ticket.expires_at <= self._clock.now():
            raise TicketInvalid("expired")
        return ticket
