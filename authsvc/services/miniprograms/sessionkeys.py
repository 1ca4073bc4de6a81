"""The session_keys of an identity, stored sealed: the current one and, for a while, the previous one."""

from sqlalchemy import Connection

from authsvc.db.queries import identities
from authsvc.db.queries.identities import Identity
from authsvc.sealing import Sealer

# How long data with a replaced key is still accepted, because the button may have been tapped before wx.login.
PREVIOUS_KEY_SECONDS = 600


class SessionKeys:
    """Stores the keys from code2session and returns the keys that may apply. Keys are base64 text of 16 bytes."""

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer

    def seal(self, session_key: str) -> str:
        """Return the key as it is stored."""
        return self._sealer.seal(session_key)

    def held(self, identity: Identity, now: int) -> list[str]:
        """Return the stored key, then the previous one if it was replaced less than ten minutes ago."""
        keys = [self.current(identity)]
        if identity.replaced_at is not None and now - identity.replaced_at <= PREVIOUS_KEY_SECONDS:
            keys.append(self._sealer.open(identity.previous_session_key))
        return [key for key in keys if key is not None]

    def current(self, identity: Identity) -> str | None:
        """Return the stored key, if there is one that can be unsealed."""
        return self._sealer.open(identity.session_key) if identity.session_key else None

    def renew(self, connection: Connection, identity: Identity, session_key: str, now: int) -> None:
        """Store the key that WeChat has just returned, and keep the previous one, unless it is already stored."""
        sealed = self.seal_new(identity, session_key)
        if sealed is not None:
            identities.replace_session_key(
                connection, identity.id, session_key=sealed, previous=identity.session_key, now=now
            )

    def seal_new(self, identity: Identity, session_key: str) -> str | None:
        """Return the key as it is stored; None if it is already stored for this identity."""
        return None if self.current(identity) == session_key else self._sealer.seal(session_key)

    def reset(self, connection: Connection, identity: Identity, session_key: str) -> bool:
        """Store this key in place of both stored ones; False if a login has stored another meanwhile."""
        return identities.reset_session_key(
            connection, identity.id, session_key=self._sealer.seal(session_key), held=identity.session_key
        )
