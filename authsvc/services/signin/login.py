"""Signing in: the use case behind every contract's login."""

from authsvc.db.database import Database
from authsvc.db.queries.login_attempts import LoginAttempt
from authsvc.services.accounts.tickets import RegistrationTickets
from authsvc.services.miniprograms.logincodes import LoginCodes
from authsvc.services.miniprograms.opening import settle
from authsvc.services.people.avatars import Avatars
from authsvc.services.phones.codes import PhoneCodes
from authsvc.services.sessions.tokens import SessionTokens
from authsvc.services.signin.attempts import LoginAttempts
from authsvc.services.signin.transaction import Exchanged, LoginTransaction, Outcome
from authsvc.values.sessions import LoginCommand, LoginResult, Stranger
from authsvc.values.wechat import MiniProgram


class Logins:
    """Exchanges the code, opens encrypted data, finds or creates the user, opens a session, and returns tokens."""

    def __init__(
        self,
        *,
        login_codes: LoginCodes,
        phone_codes: PhoneCodes,
        database: Database,
        attempts: LoginAttempts,
        transaction: LoginTransaction,
        tickets: RegistrationTickets,
        tokens: SessionTokens,
        avatars: Avatars,
    ) -> None:
        self._login_codes = login_codes
        self._phone_codes = phone_codes
        self._database = database
        self._attempts = attempts
        self._transaction = transaction
        self._tickets = tickets
        self._tokens = tokens
        self._avatars = avatars

    def log_in(self, command: LoginCommand) -> LoginResult | Stranger:
        """Sign a person in with the code of ``wx.login``; returns a Stranger only if the command does not register.

        The same code with the same idempotency key within the retry window returns the same session again, even while
        the first request is running. Raises UnknownApp, a WeChatError, DataRejected, AccountDisabled, PhoneTaken,
        TooManyRequests or ServiceBusy; for a new person also RegistrationClosed or InviteRequired.
        """
        app = self._login_codes.app(command.appid, command.referer)
        login_hash = self._attempts.hash_of(app, command)
        if login_hash is None:
            return self._carry_out(app, command, None)
        earlier = self._attempts.claim(login_hash)
        if earlier is not None:
            return self._repeat(app, command, earlier)
        try:
            result = self._carry_out(app, command, login_hash)
        except BaseException:
            self._attempts.release(login_hash)
            raise
        if isinstance(result, Stranger):  # there is no session to return again, so nobody should wait for one
            self._attempts.release(login_hash)
        return result

    def _carry_out(self, app: MiniProgram, command: LoginCommand, login_hash: str | None) -> LoginResult | Stranger:
        exchanged = self._exchange(app, command)
        outcome = settle(
            self._database.run,
            lambda connection: self._transaction.carry_out(connection, command, exchanged, login_hash),
        )
        if outcome is None:
            session = exchanged.session
            return Stranger(self._tickets.make(app.appid, session.openid, session.unionid, command.invite_code))
        self._avatars.discard(outcome.former_avatar)
        return self._result(command, outcome)

    def _exchange(self, app: MiniProgram, command: LoginCommand) -> Exchanged:
        session = self._login_codes.exchange(app, command.code)
        phone = None
        if command.phone_code is not None:  # WeChat refuses another person's code
            phone = self._phone_codes.number(app, command.phone_code, session.openid, command.address)
        return Exchanged(app, session, phone)

    def _repeat(self, app: MiniProgram, command: LoginCommand, earlier: LoginAttempt) -> LoginResult:
        # With encrypted data this is a writing transaction, for the lock and for the count of a refusal.
        is_sealed = command.encrypted is not None or command.signed is not None
        outcome = settle(
            self._database.run if is_sealed else self._database.read,
            lambda connection: self._transaction.repeat(connection, command, app, earlier),
        )
        return self._result(command, outcome)

    def _result(self, command: LoginCommand, outcome: Outcome) -> LoginResult:
        return self._tokens.hand_out(
            outcome.user,
            outcome.session,
            outcome.openid,
            command.policy,
            is_new=outcome.is_new,
            opened=outcome.opened,
            invite=outcome.invite,
        )
