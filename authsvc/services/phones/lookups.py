"""Phone numbers for front ends that request them before anybody is signed in."""

from authsvc.services.accounts.tickets import RegistrationTickets
from authsvc.services.miniprograms.apps import Apps
from authsvc.services.phones.codes import PhoneCodes
from authsvc.values.people import PhoneNumber
from authsvc.values.sessions import Caller


class LookUps:
    """Returns the number behind a code of the phone button, and stores nothing."""

    def __init__(self, apps: Apps, codes: PhoneCodes, tickets: RegistrationTickets) -> None:
        self._apps = apps
        self._codes = codes
        self._tickets = tickets

    def number(
        self,
        code: str,
        referer: str | None,
        address: str | None,
        *,
        caller: Caller | None = None,
        ticket_text: str | None = None,
    ) -> PhoneNumber:
        """Return the number behind a code of the phone button, for a front end without a signed-in user.

        With a ``caller`` or a registration ticket, the call counts for that person: it uses their budget, and WeChat
        refuses another person's code. Nothing is stored, and the ticket is not used up. Raises UnknownApp,
        TicketInvalid, PhoneCodeInvalid, PhoneBudgetExhausted or another WeChatError.
        """
        app, openid = self._apps.choose(None, referer), None
        if caller is not None:
            app, openid = self._apps.get(caller.session.appid), caller.openid or None
        elif ticket_text is not None:
            ticket = self._tickets.open(ticket_text)
            app, openid = self._apps.choose(ticket.appid, None), ticket.openid
        return self._codes.number(app, code, openid, address)
