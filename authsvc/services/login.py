"""Signing in: the one use case behind every contract's login."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Connection

from authsvc.clock import SystemClock
from authsvc.db import identities, loginattempts
from authsvc.db.database import Database
from authsvc.db.identities import Identity
from authsvc.db.loginattempts import LoginAttempt
from authsvc.errors import DataRejected
from authsvc.sealing import KeyedHash
from authsvc.services import accounts, profiles
from authsvc.services.accounts import Admitted
from authsvc.services.apps import Apps
from authsvc.services.loginattempts import LoginAttempts
from authsvc.services.opening import SealedData
from authsvc.services.sessionkeys import SessionKeys
from authsvc.services.sessions import open_session
from authsvc.signing.tokens import TokenIssuer
from authsvc.types import (
    LoginCommand,
    LoginResult,
    MiniProgram,
    Profile,
    Session,
    TokenPolicy,
    User,
    WeChatSession,
)
from authsvc.wechat.client import WeChatClient

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What the transaction of a login decided."""

    user: User
    session: Session
    is_new: bool
    payload: dict[str, Any] | None


class LoginService:
    """Exchanges the code, opens what came encrypted, finds or makes the user, opens a session, signs a token."""

    def __init__(
        self,
        *,
        apps: Apps,
        wechat: WeChatClient,
        database: Database,
        session_keys: SessionKeys,
        sealed_data: SealedData,
        attempts: LoginAttempts,
        login_hashes: KeyedHash,
        issuer: TokenIssuer,
        policy: TokenPolicy,
        clock: SystemClock,
    ) -> None:
        self._apps = apps
        self._wechat = wechat
        self._database = database
        self._session_keys = session_keys
        self._sealed_data = sealed_data
        self._attempts = attempts
        self._login_hashes = login_hashes
        self._issuer = issuer
        self._policy = policy
        self._clock = clock

    def log_in(self, command: LoginCommand) -> LoginResult:
        """Sign somebody in with the code of ``wx.login``.

        The same code with the same idempotency key within the retry window gives the same session again, also while
        the first request still runs. Raises UnknownApp, a WeChatError, DataRejected, AccountDisabled or ServiceBusy.
        """
        app = self._apps.choose(command.appid, command.referer)
        if command.idempotency_key is None or not self._attempts.is_on:
            return self._carry_out(app, command, None)
        login_hash = self._login_hashes.of(app.appid, command.code, command.idempotency_key)
        earlier = self._attempts.claim(login_hash)
        if earlier is not None:
            return self._repeat(app, command, earlier)
        try:
            return self._carry_out(app, command, login_hash)
        except BaseException:
            self._attempts.release(login_hash)
            raise

    def _carry_out(self, app: MiniProgram, command: LoginCommand, login_hash: str | None) -> LoginResult:
        exchanged = self._wechat.code2session(app, command.code)
        keys = [exchanged.session_key]

        def work(connection: Connection) -> _Outcome:
            return self._transact(connection, app, command, exchanged, login_hash, keys)

        outcome = self._counting_refusals(keys, lambda: self._database.run(work))
        return self._result(app, command, exchanged.openid, outcome)

    def _transact(
        self,
        connection: Connection,
        app: MiniProgram,
        command: LoginCommand,
        exchanged: WeChatSession,
        login_hash: str | None,
        keys: list[str],
    ) -> _Outcome:
        """Everything that a login changes; ``keys`` is left holding the session_keys that were tried."""
        now = int(self._clock.now())
        known = identities.find(connection, app.appid, exchanged.openid)
        held = self._session_keys.held(known, now) if known else []
        keys[:] = [exchanged.session_key, *(key for key in held if key != exchanged.session_key)]
        payload = self._open(connection, app, command, keys, exchanged.openid)
        profile = profiles.from_wechat(payload)
        if known is None:
            admitted = self._admit(connection, app, exchanged, profile, now)
        else:
            admitted = accounts.recognise(connection, known, exchanged, profile, now)
            if held[:1] != [exchanged.session_key]:
                self._session_keys.replace(connection, known, exchanged.session_key, now)
        policy = command.policy or self._policy
        session = open_session(connection, admitted.user, app, policy, command.device, now)
        if login_hash is not None:
            loginattempts.finish(connection, login_hash, identity_id=admitted.identity_id, session_id=session.id)
        return _Outcome(admitted.user, session, admitted.is_new, payload)

    def _admit(
        self, connection: Connection, app: MiniProgram, exchanged: WeChatSession, profile: Profile, now: int
    ) -> Admitted:
        sealed_key = self._session_keys.seal(exchanged.session_key)
        return accounts.admit(connection, app, exchanged, sealed_key, profile, now)

    def _repeat(self, app: MiniProgram, command: LoginCommand, earlier: LoginAttempt) -> LoginResult:
        """Answer with the session of the earlier login; what came encrypted is opened again, not stored."""
        now = int(self._clock.now())
        keys: list[str] = []

        def work(connection: Connection) -> tuple[Identity, dict[str, Any] | None]:
            identity = identities.get(connection, int(earlier.identity_id or 0))
            accounts.refuse_inactive(identity.user)
            keys[:] = self._session_keys.held(identity, now)
            return identity, self._open(connection, app, command, keys, identity.openid)

        identity, payload = self._counting_refusals(keys, lambda: self._database.read(work))
        session = Session(str(earlier.session_id), identity.user.id, app.appid)
        return self._result(app, command, identity.openid, _Outcome(identity.user, session, False, payload))

    def _open(
        self,
        connection: Connection,
        app: MiniProgram,
        command: LoginCommand,
        keys: Sequence[str],
        openid: str,
    ) -> dict[str, Any] | None:
        if command.signed is not None:
            self._sealed_data.check_signature(connection, keys, command.signed)
        if command.encrypted is None:
            return None
        return self._sealed_data.open(connection, app, keys, command.encrypted, openid)

    def _counting_refusals(self, keys: Sequence[str], work: Callable[[], T]) -> T:
        """Run ``work``; data that it refuses counts against the session_keys that were tried."""
        try:
            return work()
        except DataRejected:
            self._database.run(lambda connection: self._sealed_data.count_failure(connection, keys))
            raise

    def _result(self, app: MiniProgram, command: LoginCommand, openid: str, outcome: _Outcome) -> LoginResult:
        policy = command.policy or self._policy
        claims = {*policy.extra_claims, *self._policy.extra_claims}
        values = {"openid": openid, "nickname": outcome.user.profile.nickname or ""}
        token = self._issuer.issue(
            user_id=outcome.user.id,
            session_id=outcome.session.id,
            app=app,
            lifetime=policy.lifetime,
            extra={name: values[name] for name in claims},
        )
        return LoginResult(outcome.user, outcome.session, token, outcome.is_new, outcome.payload)
