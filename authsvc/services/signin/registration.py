"""Registering with a ticket: the second step of front ends that ask a stranger for a phone number first.

What is typed in is compared with numbers that are somebody's, so an answer tells whether it is. Three refusals are all
that a ticket has, and nine a day all that a WeChat has: enough for people who mistype, and no way to try numbers.
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
    """Turns a stranger's ticket into a user."""

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
        """Make the user, store the phone as claimed (never as verified), and sign them in.

        Without an invite code, the one of the login that gave the ticket counts. Raises, in this order: TicketInvalid
        (forged, expired, used, refused three times); for somebody new AccountDisabled, RegistrationClosed or
        InviteRequired; PhoneTaken for a number that is somebody's; IdentityTaken. A used ticket whose WeChat is
        somebody's by now is IdentityTaken at once, as its bearer can sign in.
        """
        ticket = self._tickets.open(ticket_text)
        came_with = invite_code or ticket.invite_code
        app = self._apps.choose(ticket.appid, None)
        arrival = Arrival(app, ticket.openid, ticket.unionid, None, Profile(gender=gender), invite_code=came_with)

        def work(connection: Connection) -> tuple[User, Session, InviteStatus | None] | AuthSvcError:
            self._use(connection, ticket)
            try:
                self._check(connection, ticket, arrival, phone)
            except AuthSvcError as refusal:  # to be committed: it counts
                return refusal
            return self._transact(connection, ticket, arrival, phone, policy, device)

        done = self._database.run(work)
        if isinstance(done, AuthSvcError):
            raise done
        user, session, invite = done
        return self._tokens.hand_out(user, session, ticket.openid, policy, is_new=True, invite=invite)

    def _use(self, connection: Connection, ticket: Ticket) -> None:
        """Take one use of the ticket and of its WeChat, before anything is looked at; success spends the ticket.

        Others with this ticket, or with another one of this WeChat, wait until it is known what became of this one.
        """
        now = self._clock.seconds()
        if spent_tickets.use(connection, ticket.id, ticket.expires_at, now) > _REFUSALS_PER_TICKET:
            # Whoever else has spent it has committed: the look comes after the wait for them.
            if _is_bound(connection, ticket):
                raise IdentityTaken("registered with this ticket, or meanwhile")
            raise TicketInvalid("used before, or refused too often")
        bearer = self._hashes.of(ticket.appid, ticket.openid)[:_HASH_CHARS]
        if spent_tickets.use(connection, bearer, now + DAY, now) > _REFUSALS_PER_WECHAT:
            raise TicketInvalid("too many refusals of one WeChat today")

    def _check(self, connection: Connection, ticket: Ticket, arrival: Arrival, phone: PhoneNumber) -> None:
        """Raise what stands against it, and change nothing. Who may not register learns nothing of the number."""
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
        except InviteRequired:  # somebody else has just used the code up
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
