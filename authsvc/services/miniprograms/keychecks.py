"""Checks stored session_keys with WeChat, and replaces leaked ones."""

from authsvc.db.database import Database
from authsvc.db.queries import identities
from authsvc.db.queries.identities import Identity
from authsvc.errors import SessionKeyStale
from authsvc.services.miniprograms.accesstokens import AccessTokens
from authsvc.services.miniprograms.apps import Apps
from authsvc.services.miniprograms.sessionkeys import SessionKeys
from authsvc.values.wechat import HeldKey
from authsvc.wechat.client import WeChatClient


class WeChatSessions:
    """Checks and resets the session_keys of a user, one for each of their identities."""

    def __init__(
        self,
        database: Database,
        session_keys: SessionKeys,
        wechat: WeChatClient,
        access_tokens: AccessTokens,
        apps: Apps,
    ) -> None:
        self._database = database
        self._session_keys = session_keys
        self._wechat = wechat
        self._access_tokens = access_tokens
        self._apps = apps

    def check(self, user_id: int) -> list[HeldKey]:
        """Tell for each identity whether its session_key is WeChat's current one. Raises a WeChatError."""
        return [HeldKey(found.id, found.appid, self.state(found)) for found in self._identities(user_id)]

    def reset(self, user_id: int) -> list[HeldKey]:
        """Have WeChat replace each current session_key; the old ones open nothing any more, neither at WeChat nor here.

        A new key expires when the old one would have expired. Raises a WeChatError; earlier identities stay reset.
        """
        return [HeldKey(found.id, found.appid, self._reset(found)) for found in self._identities(user_id)]

    def state(self, identity: Identity) -> str:
        """Tell whether the session_key of this identity is WeChat's current one. Raises a WeChatError."""
        key = self._session_keys.current(identity)
        if key is None:
            return "none"
        app = self._apps.choose(identity.appid, None)
        is_current = self._access_tokens.call(
            app, lambda token: self._wechat.check_session(token, identity.openid, key)
        )
        return "current" if is_current else "stale"

    def _identities(self, user_id: int) -> list[Identity]:
        return self._database.read(identities.all_of_user, user_id)

    def _reset(self, identity: Identity) -> str:
        key = self._session_keys.current(identity)
        if key is None:
            return "none"
        app = self._apps.choose(identity.appid, None)
        try:
            session = self._access_tokens.call(
                app, lambda token: self._wechat.reset_session_key(token, identity.openid, key)
            )
        except SessionKeyStale:
            return "stale"
        # If a login has stored a newer key meanwhile, that one stays.
        self._database.run(self._session_keys.reset, identity, session.session_key)
        return "reset"
