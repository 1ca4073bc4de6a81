"""Binds, changes and removes the phone numbers of signed-in people."""

from dataclasses import dataclass

from sqlalchemy import Connection

from authsvc.clock import SystemClock
from authsvc.db.database import Database
from authsvc.db.queries import identities, users
from authsvc.errors import DataRejected, NotFound
from authsvc.services.accounts.accounts import AccountRules, refuse_inactive
from authsvc.services.accounts.reach import refuse_added, refuse_partial
from authsvc.services.miniprograms.apps import Apps
from authsvc.services.miniprograms.opening import Sealed, SealedData, settle
from authsvc.services.phones.codes import PhoneCodes
from authsvc.services.sessions.newsessions import NewSessions
from authsvc.services.sessions.tokens import SessionTokens
from authsvc.values.people import PhoneNumber, User
from authsvc.values.sessions import Caller, LoginResult, Session
from authsvc.values.wechat import EncryptedData


@dataclass(frozen=True, slots=True)
class Binding:
    """The number's user. ``login`` is set if the caller turned out to be that user and was signed in again."""

    user: User
    login: LoginResult | None


class Phones:
    """Binds numbers by code (preferred) or by encryptedData."""

    def __init__(
        self,
        *,
        apps: Apps,
        database: Database,
        accounts: AccountRules,
        sealed_data: SealedData,
        codes: PhoneCodes,
        new_sessions: NewSessions,
        tokens: SessionTokens,
        clock: SystemClock,
    ) -> None:
        self._apps = apps
        self._database = database
        self._accounts = accounts
        self._sealed_data = sealed_data
        self._codes = codes
        self._new_sessions = new_sessions
        self._tokens = tokens
        self._clock = clock

    def bind_by_code(self, caller: Caller, code: str, address: str | None) -> Binding:
        """Bind the number behind a code of the phone button to the caller.

        Raises AddedWeChat, PhoneTaken, and as ``LookUps.number``.
        """
        self._refuse_added(caller)
        app = self._apps.get(caller.session.appid)
        phone = self._codes.number(app, code, caller.openid or None, address)
        return self._bind(caller, phone)

    def bind_by_data(self, caller: Caller, data: EncryptedData) -> Binding:
        """Bind the number inside ``data`` to the caller. Raises AddedWeChat, DataRejected or PhoneTaken."""

        def work(connection: Connection) -> tuple[User, Session | None]:
            refuse_added(connection, caller)
            return self._give(connection, caller, self._open(connection, caller, data))

        return self._binding(caller, *settle(self._database.run, work))

    def unbind(self, caller: Caller) -> User:
        """Remove the caller's verified number, which identifies them in other mini programs too.

        Raises NotFound if there is none, OtherMiniProgram or AddedWeChat for a session that does not reach all
        identities.
        """
        now, user_id = self._clock.seconds(), caller.user.id

        def work(connection: Connection) -> User:
            user = users.lock(connection, user_id)
            refuse_partial(connection, caller)
            if not self._accounts.give_up_phone(connection, user, caller.session.appid, now):
                raise NotFound("no verified phone")
            return users.get(connection, user_id)

        return self._database.run(work)

    def _refuse_added(self, caller: Caller) -> None:
        """Check before WeChat is called, because an answer costs money.

        A number opens its user in every mini program.
        """
        self._database.read(refuse_added, caller)

    def _open(self, connection: Connection, caller: Caller, data: EncryptedData) -> PhoneNumber:
        identity = identities.lock_by_id(connection, caller.session.identity_id or 0)
        if identity is None or identity.user.id != caller.user.id:
            raise DataRejected("the session's identity was removed")
        app = self._apps.get(caller.session.appid)
        came = Sealed(encrypted=data, expects_phone=True)
        opened = self._sealed_data.open_from(connection, app, came, identity.openid, known=identity)
        if opened.phone is None:
            raise DataRejected("no number came")
        return opened.phone

    def _bind(self, caller: Caller, phone: PhoneNumber) -> Binding:
        return self._binding(caller, *self._database.run(self._give, caller, phone))

    def _give(self, connection: Connection, caller: Caller, phone: PhoneNumber) -> tuple[User, Session | None]:
        """Give the number to the caller; return its user, and a new session if the caller was merged into that user."""
        now = self._clock.seconds()
        user = users.lock(connection, caller.user.id)
        refuse_inactive(user)
        owner = self._accounts.bind_phone(connection, user, phone, caller.session.appid, now)
        if owner.id == user.id:
            return owner, None
        # The caller was merged into the number's owner, and all its sessions ended, so sign it in as the owner.
        app = self._apps.get(caller.session.appid)
        begun = caller.session
        return owner, self._new_sessions.open(connection, owner, app, begun.device, now, identity_id=begun.identity_id)

    def _binding(self, caller: Caller, user: User, session: Session | None) -> Binding:
        return Binding(user, None if session is None else self._tokens.hand_out(user, session, caller.openid))
