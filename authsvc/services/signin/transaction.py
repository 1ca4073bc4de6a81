"""The changes of a login, in one transaction, after the call to WeChat and before any token is signed."""

import logging
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection

from authsvc.clock import SystemClock
from authsvc.db.queries import consents, identities, login_attempts, sessions
from authsvc.db.queries.identities import Identity
from authsvc.db.queries.login_attempts import LoginAttempt
from authsvc.errors import LoginCodeUsed
from authsvc.services.accounts.accounts import AccountRules, Admitted, Arrival, refuse_inactive
from authsvc.services.miniprograms.opening import Opened, Sealed, SealedData
from authsvc.services.people import profiles
from authsvc.services.people.avatars import Avatars
from authsvc.services.people.closing import AccountClosing
from authsvc.services.sessions.newsessions import NewSessions
from authsvc.values.invites import InviteStatus
from authsvc.values.people import PhoneNumber, Profile, User
from authsvc.values.sessions import LoginCommand, Session
from authsvc.values.wechat import MiniProgram, WeChatSession

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Exchanged:
    """WeChat's answer for one login."""

    app: MiniProgram
    session: WeChatSession
    phone: PhoneNumber | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a login. ``former_avatar`` is the picture address that it replaced, if any."""

    user: User
    session: Session
    openid: str
    is_new: bool
    opened: dict[str, Any] | None
    invite: InviteStatus | None
    former_avatar: str | None = None


class LoginTransaction:
    """Finds or creates the user and opens a session. Every method works in the given transaction."""

    def __init__(
        self,
        *,
        accounts: AccountRules,
        closing: AccountClosing,
        sealed_data: SealedData,
        avatars: Avatars,
        new_sessions: NewSessions,
        clock: SystemClock,
    ) -> None:
        self._accounts = accounts
        self._closing = closing
        self._sealed_data = sealed_data
        self._avatars = avatars
        self._new_sessions = new_sessions
        self._clock = clock

    def carry_out(
        self, connection: Connection, command: LoginCommand, exchanged: Exchanged, login_hash: str | None
    ) -> Outcome | None:
        """Sign in the person that WeChat returned; None if they have no user and the command does not register.

        ``login_hash`` identifies the attempt that this finishes. Raises what ``Logins.log_in`` does, except a
        WeChatError.
        """
        now = self._clock.seconds()
        app, openid = exchanged.app, exchanged.session.openid
        came, session_key = _sealed(command), exchanged.session.session_key
        known = self._sealed_data.find(connection, app, openid, came, session_key)
        # Before any change, because a refusal is committed with its count.
        opened = self._sealed_data.open_from(connection, app, came, openid, known=known, session_key=session_key)
        admitted = self._admit(connection, command, self._arrival(command, exchanged, opened), known, now)
        if admitted is None:
            return None
        if command.consent_version is not None:
            _note_consent(connection, admitted.user, command.consent_version, now)
        session = self._new_sessions.open(
            connection,
            admitted.user,
            app,
            command.device,
            now,
            identity_id=admitted.identity_id,
            policy=command.policy,
            is_new=admitted.is_new,
        )
        if login_hash is not None:
            attempt = LoginAttempt(admitted.identity_id, session.id, admitted.invite)
            login_attempts.finish(connection, login_hash, attempt)
        return Outcome(
            user=admitted.user,
            session=session,
            openid=openid,
            is_new=admitted.is_new,
            opened=opened.payload,
            invite=admitted.invite,
            former_avatar=admitted.former_avatar,
        )

    def repeat(self, connection: Connection, command: LoginCommand, app: MiniProgram, earlier: LoginAttempt) -> Outcome:
        """Return the session of an earlier login; encrypted data is opened again, not stored.

        Raises LoginCodeUsed if that session has ended or belongs to another contract, or if its identity was removed.
        """
        now = self._clock.seconds()
        identity = identities.lock_by_id(connection, int(earlier.identity_id or 0))
        if identity is None:
            raise LoginCodeUsed("the identity of the earlier login was removed")
        refuse_inactive(identity.user)
        contract = (command.policy or self._new_sessions.native).contract
        live = sessions.find_live(connection, str(earlier.session_id), now)
        if live is None or (live.user.id, live.session.contract) != (identity.user.id, contract):
            raise LoginCodeUsed("the session of the earlier login has ended, or belongs to another contract")
        opened = self._sealed_data.open_from(connection, app, _sealed(command), identity.openid, known=identity)
        return Outcome(
            user=identity.user,
            session=live.session,
            openid=identity.openid,
            is_new=False,
            opened=opened.payload,
            invite=earlier.invite,
        )

    def _arrival(self, command: LoginCommand, exchanged: Exchanged, opened: Opened) -> Arrival:
        session = exchanged.session
        return Arrival(
            exchanged.app,
            session.openid,
            session.unionid,
            session.session_key,
            profiles.from_wechat(opened.payload).over(self._claimed(command)),
            opened.phone or exchanged.phone,
            invite_code=command.invite_code,
        )

    def _claimed(self, command: LoginCommand) -> Profile:
        """Return the client's profile without addresses of uploaded pictures: their own is stored, others are not
        theirs.
        """
        claimed = command.claimed or Profile()
        return replace(claimed, avatar_url=None) if self._avatars.holds(claimed.avatar_url) else claimed

    def _admit(
        self, connection: Connection, command: LoginCommand, arrival: Arrival, known: Identity | None, now: int
    ) -> Admitted | None:
        if known is not None:
            if command.reopens:
                known = self._closing.reopen(connection, known, now)
            return self._accounts.recognise(connection, known, arrival, now)
        if not command.registers and self._accounts.find_owner(connection, arrival, now) is None:
            self._accounts.refuse_banned(connection, arrival, now)
            self._accounts.refuse_newcomers()
            return None
        return self._accounts.admit(connection, arrival, now)


def _sealed(command: LoginCommand) -> Sealed:
    return Sealed(command.encrypted, command.signed, command.expects_phone)


def _note_consent(connection: Connection, user: User, version: str, now: int) -> None:
    """Store the consent unless there are too many: a front end with ever new versions must lock nobody out."""
    if not consents.give(connection, user.id, version, now):
        logger.warning("consent of user %s not stored: they have agreed to %d versions", user.id, consents.MOST)
