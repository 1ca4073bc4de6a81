"""Registering with a ticket: the second step of front ends that ask a stranger for a phone number first."""

from sqlalchemy import Connection

from authsvc.clock import SystemClock
from authsvc.db import identities, tickets, users
from authsvc.db.database import Database, Restart
from authsvc.errors import IdentityTaken, PhoneTaken, TicketInvalid
from authsvc.services.accounts import AccountRules, Arrival
from authsvc.services.apps import Apps
from authsvc.services.newsessions import NewSessions
from authsvc.services.sessiontokens import SessionTokens
from authsvc.services.tickets import RegistrationTickets, Ticket
from authsvc.types import InviteStatus, LoginResult, PhoneNumber, Profile, Session, TokenPolicy, User


class RegistrationService:
    """Turns a stranger's ticket into a user."""

    def __init__(
        self,
        apps: Apps,
        database: Database,
        accounts: AccountRules,
        tickets: RegistrationTickets,
        new_sessions: NewSessions,
        tokens: SessionTokens,
        clock: SystemClock,
    ) -> None:
        self._apps = apps
        self._database = database
        self._accounts = accounts
        self._tickets = tickets
        self._new_sessions = new_sessions
        self._tokens = tokens
        self._clock = clock

    def register(
        self,
        ticket_text: str,
        phone: PhoneNumber,
        gender: int | None,
        invite_code: str | None,
        policy: TokenPolicy,
        device: str,
    ) -> LoginResult:
        """Make the user, store the phone as claimed (never as verified), and sign them in.

        Without an invite code, the one of the login that gave the ticket counts. Raises, in this order: TicketInvalid
        (forged, expired, used), PhoneTaken, IdentityTaken, RegistrationClosed or InviteRequired. A ticket is spent by
        success only; a used one whose WeChat is somebody's by now is IdentityTaken at once, as its bearer can sign in.
        """
        ticket = self._tickets.open(ticket_text)
        came_with = invite_code or ticket.invite_code

        def work(connection: Connection) -> tuple[User, Session, InviteStatus | None]:
            return self._transact(connection, ticket, phone, gender, came_with, policy, device)

        user, session, invite = self._database.run(work)
        token = self._tokens.access(user, session, ticket.openid, policy)
        return LoginResult(user, session, token, ticket.openid, is_new=True, invite=invite)

    def _transact(
        self,
        connection: Connection,
        ticket: Ticket,
        phone: PhoneNumber,
        gender: int | None,
        invite_code: str | None,
        policy: TokenPolicy,
        device: str,
    ) -> tuple[User, Session, InviteStatus | None]:
        now = int(self._clock.now())
        app = self._apps.get(ticket.appid)
        if not tickets.spend(connection, ticket.id, ticket.expires_at):
            # Whoever else has spent it has committed: the look comes after the wait for them.
            if _is_bound(connection, ticket):
                raise IdentityTaken("registered with this ticket, or meanwhile")
            raise TicketInvalid("used before")
        if users.is_known_phone(connection, phone):
            raise PhoneTaken("typed in at registration")
        if _is_bound(connection, ticket):
            raise IdentityTaken("registered meanwhile")
        arrival = Arrival(app, ticket.openid, ticket.unionid, None, Profile(gender=gender), invite_code=invite_code)
        admitted = self._accounts.admit(connection, arrival, now)
        if not users.claim_phone(connection, admitted.user.id, phone):
            raise Restart
        session = self._new_sessions.open(
            connection,
            admitted.user,
            app,
            policy,
            device,
            now,
            identity_id=admitted.identity_id,
            is_new=admitted.is_new,
        )
        return users.get(connection, admitted.user.id), session, admitted.invite


def _is_bound(connection: Connection, ticket: Ticket) -> bool:
    return identities.find(connection, ticket.appid, ticket.openid) is not None
