"""Uses a person's session_key for other services, which never see it.

WeChat calls this the user state (用户登录态): its signature proves that a person is signed in to a mini program.
"""

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from authsvc.clock import SystemClock
from authsvc.db.database import Database
from authsvc.db.queries import identities, sessions
from authsvc.db.queries.identities import Identity
from authsvc.errors import DataRejected, NotFound, SessionKeyReplaced
from authsvc.services.accounts.accounts import refuse_inactive
from authsvc.services.miniprograms.apps import Apps
from authsvc.services.miniprograms.keychecks import WeChatSessions
from authsvc.services.miniprograms.opening import Sealed, SealedData, settle
from authsvc.services.miniprograms.sessionkeys import SessionKeys
from authsvc.values.wechat import EncryptedData
from authsvc.wechat.client import session_signature


@dataclass(frozen=True, slots=True)
class PersonInApp:
    """A person (the ``sub`` of their tokens) in a mini program (default: the first), in one session of theirs (``sid``
    of the token) or in that of their last login."""

    user_id: int
    appid: str | None = None
    session_id: str | None = field(default=None, repr=False)


class UserState:
    """Signs, opens and checks with the session_key of a person's last login in a mini program."""

    def __init__(
        self,
        *,
        apps: Apps,
        database: Database,
        session_keys: SessionKeys,
        sealed_data: SealedData,
        wechat_sessions: WeChatSessions,
        clock: SystemClock,
    ) -> None:
        self._apps = apps
        self._database = database
        self._session_keys = session_keys
        self._sealed_data = sealed_data
        self._wechat_sessions = wechat_sessions
        self._clock = clock

    def sign(self, person: PersonInApp, message: bytes, *, checks: bool) -> str:
        """Return the user-state signature of ``message`` as hex. WeChat page: 虚拟支付签名.

        With ``checks``, WeChat is asked first whether the key is its current one. Raises SessionKeyReplaced if not, or
        if no key is stored; NotFound, AccountDisabled, UnknownApp, or a WeChatError.
        """
        identity = self._identity(person)
        key = self._session_keys.current(identity)
        if key is None or (checks and not self._is_current(identity)):
            raise SessionKeyReplaced("no key, or no longer WeChat's")
        return session_signature(key, message)

    def open(self, person: PersonInApp, data: EncryptedData) -> dict[str, Any]:
        """Return the object inside ``data``, by the rules and limits of a login.

        Raises DataRejected, the same for every cause; NotFound, AccountDisabled or UnknownApp.
        """
        app = self._apps.choose(person.appid, None)
        found = self._identity(person)

        def work(connection: Connection) -> dict[str, Any]:
            identity = identities.lock_by_id(connection, found.id)
            if identity is None:
                raise DataRejected("the identity was removed")
            opened = self._sealed_data.open_from(
                connection, app, Sealed(encrypted=data), identity.openid, known=identity
            )
            return opened.payload or {}

        return settle(self._database.run, work)

    def is_current(self, person: PersonInApp) -> bool:
        """Tell whether the stored key is WeChat's current one; False also if there is none. Raises as ``sign``."""
        return self._is_current(self._identity(person))

    def _is_current(self, identity: Identity) -> bool:
        return self._wechat_sessions.state(identity) == "current"

    def _identity(self, person: PersonInApp) -> Identity:
        appid = self._apps.choose(person.appid, None).appid
        found = self._database.read(self._find, person, appid, self._clock.seconds())
        if found is None:
            raise NotFound("no such person in this mini program")
        refuse_inactive(found.user)
        return found

    def _find(self, connection: Connection, person: PersonInApp, appid: str, now: int) -> Identity | None:
        """Return the identity of the session, or of the last login; else the first of this person in the app."""
        if person.session_id is not None:
            live = sessions.find_live(connection, person.session_id, now)
            if live is None or (live.user.id, live.session.appid) != (person.user_id, appid):
                return None
            return identities.find_by_id(connection, live.session.identity_id or 0)
        last = sessions.last_identity(connection, person.user_id, appid)
        found = None if last is None else identities.find_by_id(connection, last)
        if found is not None and found.user.id == person.user_id:
            return found
        return identities.find_of_user(connection, person.user_id, appid)
