"""Signing in: the one use case behind every contract's login."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection

from authsvc.clock import SystemClock
from authsvc.db.database import Database
from authsvc.db.queries import consents, identities, login_attempts, sessions
from authsvc.db.queries.identities import Identity
from authsvc.db.queries.login_attempts import LoginAttempt
from authsvc.errors import DataRejected, LoginCodeUsed
from authsvc.sealing import KeyedHash
from authsvc.services.accounts import accounts
from authsvc.services.accounts.accounts import AccountRules, Admitted, Arrival
from authsvc.services.accounts.tickets import RegistrationTickets
from authsvc.services.miniprograms.apps import Apps
from authsvc.services.miniprograms.opening import Opened, Sealed, SealedData, or_refusal, settled
from authsvc.services.miniprograms.sessionkeys import SessionKeys
from authsvc.services.people import profiles
from authsvc.services.people.avatars import Avatars
from authsvc.services.people.closing import AccountClosing
from authsvc.services.phones.codes import PhoneCodes
from authsvc.services.sessions.newsessions import NewSessions
from authsvc.services.sessions.tokens import SessionTokens
from authsvc.services.signin.attempts import LoginAttempts
from authsvc.values.invites import InviteStatus
from authsvc.values.people import PhoneNumber, Profile, User
from authsvc.values.sessions import LoginCommand, LoginResult, Session, Stranger, TokenPolicy
from authsvc.values.wechat import MiniProgram, WeChatSession
from authsvc.wechat.client import WeChatClient

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What the transaction of a login decided."""

    user: User
    session: Session
    is_new: bool
    payload: dict[str, Any] | None
    invite: InviteStatus | None
    former_avatar: str | None = None


class Logins:
    """Exchanges the code, opens what came encrypted, finds or makes the user, opens a session, hands out tokens."""

    def __init__(
        self,
        *,
        apps: Apps,
        wechat: WeChatClient,
        database: Database,
        accounts: AccountRules,
        closing: AccountClosing,
        session_keys: SessionKeys,
        sealed_data: SealedData,
        attempts: LoginAttempts,
        login_hashes: KeyedHash,
        phone_codes: PhoneCodes,
        tickets: RegistrationTickets,
        new_sessions: NewSessions,
        tokens: SessionTokens,
        avatars: Avatars,
        policy: TokenPolicy,
        clock: SystemClock,
    ) -> None:
        self._apps = apps
        self._wechat = wechat
        self._database = database
        self._accounts = accounts
        self._closing = closing
        self._session_keys = session_keys
        self._sealed_data = sealed_data
        self._attempts = attempts
        self._login_hashes = login_hashes
        self._phone_codes = phone_codes
        self._tickets = tickets
        self._new_sessions = new_sessions
        self._tokens = tokens
        self._avatars = avatars
        self._policy = policy
        self._clock = clock

    def log_in(self, command: LoginCommand) -> LoginResult | Stranger:
        """Sign somebody in with the code of ``wx.login``; a Stranger only where the command does not register.

        The same code with the same idempotency key within the retry window gives the same session again, also while
        the first request still runs. Raises UnknownApp, a WeChatError, DataRejected, AccountDisabled, PhoneTaken,
        TooManyRequests or ServiceBusy; somebody new may also meet RegistrationClosed or InviteRequired.
        """
        app = self._apps.choose(command.appid, command.referer)
        if command.idempotency_key is None or not self._attempts.is_on:
            return self._carry_out(app, command, None)
        login_hash = self._login_hashes.of(app.appid, command.code, command.idempotency_key)
        earlier = self._attempts.claim(login_hash)
        if earlier is not None:
            return self._repeat(app, command, earlier)
        try:
            result = self._carry_out(app, command, login_hash)
        except BaseException:
            self._attempts.release(login_hash)
            raise
        if isinstance(result, Stranger):  # no session to answer with again, so nobody should wait for one
            self._attempts.release(login_hash)
        return result

    def _carry_out(self, app: MiniProgram, command: LoginCommand, login_hash: str | None) -> LoginResult | Stranger:
        exchanged = self._wechat.code2session(app, command.code)
        phone = self._number(app, command, exchanged.openid)

        def work(connection: Connection) -> _Outcome | DataRejected | None:
            return or_refusal(lambda: self._transact(connection, app, command, exchanged, phone, login_hash))

        outcome = settled(self._database.run(work))
        if outcome is None:
            return Stranger(self._tickets.make(app.appid, exchanged.openid, exchanged.unionid, command.invite_code))
        self._avatars.discard(outcome.former_avatar)
        return self._result(command, exchanged.openid, outcome)

    def _number(self, app: MiniProgram, command: LoginCommand, openid: str) -> PhoneNumber | None:
        """Ask WeChat for the number behind the phone code, if there is one; it refuses another person's."""
        if command.phone_code is None:
            return None
        return self._phone_codes.number(app, command.phone_code, openid, command.address)

    def _transact(
        self,
        connection: Connection,
        app: MiniProgram,
        command: LoginCommand,
        exchanged: WeChatSession,
        phone: PhoneNumber | None,
        login_hash: str | None,
    ) -> _Outcome | None:
        """Everything that a login changes. What came sealed is opened before anything is."""
        now = self._clock.seconds()
        known = identities.find(connection, app.appid, exchanged.openid)
        held = self._session_keys.held(known, now) if known else []
        keys = [exchanged.session_key, *(key for key in held if key != exchanged.session_key)]
        opened = self._open(connection, app, command, keys, exchanged.openid, is_locked=known is not None)
        profile = profiles.from_wechat(opened.payload).over(self._claimed(command))
        admitted = self._admit(connection, app, command, exchanged, known, profile, opened.phone or phone, now)
        if admitted is None:
            return None
        if known is not None and held[:1] != [exchanged.session_key]:
            self._session_keys.replace(connection, known, exchanged.session_key, now)
        if command.consent_version is not None:
            self._note_consent(connection, admitted.user, command.consent_version, now)
        policy = command.policy or self._policy
        session = self._new_sessions.open(
            connection,
            admitted.user,
            app,
            policy,
            command.device,
            now,
            identity_id=admitted.identity_id,
            is_new=admitted.is_new,
        )
        if login_hash is not None:
            attempt = LoginAttempt(admitted.identity_id, session.id, admitted.invite)
            login_attempts.finish(connection, login_hash, attempt)
        return _Outcome(
            admitted.user, session, admitted.is_new, opened.payload, admitted.invite, admitted.former_avatar
        )

    def _note_consent(self, connection: Connection, user: User, version: str, now: int) -> None:
        """Keep it unless there are too many: a front end that makes a version of each moment must lock nobody out."""
        if not consents.give(connection, user.id, version, now):
            logger.warning("consent of user %s not kept: they have agreed to %d versions", user.id, consents.MOST)

    def _claimed(self, command: LoginCommand) -> Profile:
        """What the client says of the person, but for uploaded pictures: theirs is stored, others' are not theirs."""
        claimed = command.claimed or Profile()
        return replace(claimed, avatar_url=None) if self._avatars.holds(claimed.avatar_url) else claimed

    def _admit(
        self,
        connection: Connection,
        app: MiniProgram,
        command: LoginCommand,
        exchanged: WeChatSession,
        known: Identity | None,
        profile: Profile,
        phone: PhoneNumber | None,
        now: int,
    ) -> Admitted | None:
        sealed_key = None if known else self._session_keys.seal(exchanged.session_key)
        arrival = Arrival(
            app, exchanged.openid, exchanged.unionid, sealed_key, profile, phone, invite_code=command.invite_code
        )
        if known is not None:
            if command.reopens:
                known = self._closing.reopen(connection, known, now)
            return self._accounts.recognise(connection, known, arrival, now)
        if not command.registers and self._accounts.find_owner(connection, arrival, now) is None:
            self._accounts.refuse_banned(connection, arrival, now)
            self._accounts.refuse_newcomers()
            return None
        return self._accounts.admit(connection, arrival, now)

    def _repeat(self, app: MiniProgram, command: LoginCommand, earlier: LoginAttempt) -> LoginResult:
        """Answer with the session of the earlier login; what came encrypted is opened again, not stored.

        Raises LoginCodeUsed when that session has ended or is another contract's, or when its identity was removed.
        """
        now = self._clock.seconds()
        contract = (command.policy or self._policy).contract

        def look(connection: Connection) -> tuple[Identity, Session, dict[str, Any] | None]:
            identity = identities.lock_by_id(connection, int(earlier.identity_id or 0))
            if identity is None:
                raise LoginCodeUsed("the identity of the earlier login was removed")
            accounts.refuse_inactive(identity.user)
            live = sessions.find_live(connection, str(earlier.session_id), now)
            if live is None or (live.user.id, live.session.contract) != (identity.user.id, contract):
                raise LoginCodeUsed("the session of the earlier login has ended, or is another contract's")
            keys = self._session_keys.held(identity, now)
            opened = self._open(connection, app, command, keys, identity.openid, is_locked=True)
            return identity, live.session, opened.payload

        # Where something is to be opened, as a change: for the lock, and for the count of a refusal.
        is_sealed = command.encrypted is not None or command.signed is not None
        run = self._database.run if is_sealed else self._database.read
        identity, session, payload = settled(run(lambda connection: or_refusal(lambda: look(connection))))
        return self._result(command, identity.openid, _Outcome(identity.user, session, False, payload, earlier.invite))

    def _open(
        self,
        connection: Connection,
        app: MiniProgram,
        command: LoginCommand,
        keys: Sequence[str],
        openid: str,
        *,
        is_locked: bool,
    ) -> Opened:
        if command.signed is None and command.encrypted is None:
            return Opened()
        came = Sealed(command.encrypted, command.signed, command.expects_phone)
        return self._sealed_data.open(connection, app, keys, came, openid, is_locked=is_locked)

    def _result(self, command: LoginCommand, openid: str, outcome: _Outcome) -> LoginResult:
        user, session = outcome.user, outcome.session
        return LoginResult(
            user=user,
            session=session,
            token=self._tokens.access(user, session, openid, command.policy or self._policy),
            openid=openid,
            refresh_token=self._tokens.refresh(session),
            is_new=outcome.is_new,
            opened=outcome.payload,
            invite=outcome.invite,
        )
