"""Registering with a ticket: the second step of front ends that first ask a new person for a phone number.

The typed number is compared with verified numbers of users, so an answer reveals whether a number is in use. A ticket
has only three refusals, and a WeChat account nine a day: enough for typing errors, but too few to test numbers.
"""

from sqlalchemy import Connection

from authsvc.clock import DAY, SystemClock
from authsvc.db.database import Database, Restart
from authsvc.db.queries import identities, spent_tickets, users
from authsvc.errors import AuthSvcError, IdentityTaken, InviteRequired, PhoneTaken, TicketInvalid
from authsvc.sealing import KeyedHash
from authsvc.services.accounts.accounts import AccountRules, Arrival
from authsvc.services.accounts.tickets import RegistrationTickets, Ticket
from authsvc.services.miniprograms.apps import Apps
from authsvc.services.sessions.newsessions import NewSessions
from authsvc.services.sessions.tokens import SessionTokens
from authsvc.values.invites import InviteStatus
from authsvc.values.people import PhoneNumber, Profile, User
from authsvc.values.sessions import LoginResult, Session, TokenPolicy

_REFUSALS_PER_TICKET = 3
_REFUSALS_PER_WECHAT = 9
_HASH_CHARS = 32


class Registrations:
    """Turns a new person's ticket into a user."""

    def __init__(
        self,
        apps: Apps,
        database: Database,
        accounts: AccountRules,
        tickets: RegistrationTickets,
        hashes: KeyedHash,
        new_sessions: NewSessions,
        tokens: SessionTokens,
        clock: SystemClock,
    ) -> None:
        self._apps = apps
        self._database = database
        self._accounts = accounts
        self._tickets = tickets
        self._hashes = hashes
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
        """Create the user, store the phone as claimed (never as verified), and sign them in.

        Without an invite code, the one from the login that gave the ticket counts. Raises, in this order: TicketInvalid
        (forged, expired, used, refused three times); for a new person AccountDisabled, RegistrationClosed or
        InviteRequired; PhoneTaken for another user's number; IdentityTaken. A used ticket whose WeChat account belongs
        to a user by now raises IdentityTaken immediately, because that person can sign in.
        """
        ticket = self._tickets.open(ticket_text)
        came_with = invite_code or ticket.invite_code
        app = self._apps.choose(ticket.appid, None)
        arrival = Arrival(app, ticket.openid, ticket.unionid, None, Profile(gender=gender), invite_code=came_with)

        def work(connection: Connection) -> tuple[User, Session, InviteStatus | None] | AuthSvcError:
            self._use(connection, ticket)
            try:
                self._check(connection, ticket, arrival, phone)
            except AuthSvcError as refusal:  # returned, so that its count is committed
                return refusal
            return self._transact(connection, ticket, arrival, phone, policy, device)

        done = self._database.run(work)
        if isinstance(done, AuthSvcError):
            raise done
        user, session, invite = done
        return self._tokens.hand_out(user, session, ticket.openid, policy, is_new=True, invite=invite)

    def _use(self, connection: Connection, ticket: Ticket) -> None:
        """Count one use of the ticket and of its WeChat account before any lookup; success uses up the ticket.

        Other requests with this ticket, or with another one of this WeChat account, wait for the result of this one.
        """
        now = self._clock.seconds()
        if spent_tickets.use(connection, ticket.id, ticket.expires_at, now) > _REFUSALS_PER_TICKET:
            # Another request that used it up has committed, because this one has waited for it.
            if _is_bound(connection, ticket):
                raise IdentityTaken("registered with this ticket, or meanwhile")
            raise TicketInvalid("used before, or refused too often")
        bearer = self._hashes.of(ticket.appid, ticket.openid)[:_HASH_CHARS]
        if spent_tickets.use(connection, bearer, now + DAY, now) > _REFUSALS_PER_WECHAT:
            raise TicketInvalid("too many refusals of one WeChat today")

    def _check(self, connection: Connection, ticket: Ticket, arrival: Arrival, phone: PhoneNumber) -> None:
        """Raise an error if registering is not possible, and change nothing.

        Check the right to register before the number.
        """
        is_bound = _is_bound(connection, ticket)
        if not is_bound:
            self._accounts.check_right(connection, arrival, self._clock.seconds())
        if users.has_owner(connection, phone):
            raise PhoneTaken("typed in at registration")
        if is_bound:
            raise IdentityTaken("registered meanwhile")

    def _transact(
        self,
        connection: Connection,
        ticket: Ticket,
        arrival: Arrival,
        phone: PhoneNumber,
        policy: TokenPolicy,
        device: str,
    ) -> tuple[User, Session, InviteStatus | None]:
        now = self._clock.seconds()
        spent_tickets.spend(connection, ticket.id, _REFUSALS_PER_TICKET)
        try:
            admitted = self._accounts.let_in(connection, arrival, now)
        except InviteRequired:  # another login has just used up the code
            raise Restart from None
        users.claim_phone(connection, admitted.user.id, phone)
        session = self._new_sessions.open(
            connection,
            admitted.user,
            arrival.app,
            device,
            now,
            identity_id=admitted.identity_id,
            policy=policy,
            is_new=admitted.is_new,
        )
        return users.get(connection, admitted.user.id), session, admitted.invite


def _is_bound(connection: Connection, ticket: Ticket) -> bool:
    return identities.find(connection, ticket.appid, ticket.openid) is not None
