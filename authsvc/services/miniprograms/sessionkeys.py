"""The session_keys of an identity: sealed at rest, the current one and for a while the one before it."""

from sqlalchemy import Connection

from authsvc.db.queries import identities
from authsvc.db.queries.identities import Identity
from authsvc.sealing import Sealer

# How long data encrypted under a replaced key is still accepted: the button may have been tapped before wx.login.
PREVIOUS_KEY_SECONDS = 600


class SessionKeys:
    """Stores what code2session answered and says which keys may apply. Keys are base64 text of 16 bytes."""

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer

    def seal(self, session_key: str) -> str:
        """Return the key as it is stored."""
        return self._sealer.seal(session_key)

    def held(self, identity: Identity, now: int) -> list[str]:
        """Return the stored key, then the one before it if that was replaced under ten minutes ago."""
        keys = [self.current(identity)]
        if identity.replaced_at is not None and now - identity.replaced_at <= PREVIOUS_KEY_SECONDS:
            keys.append(self._sealer.open(identity.previous_session_key))
        return [key for key in keys if key is not None]

    def current(self, identity: Identity) -> str | None:
        """Return the stored key, if there is one that opens."""
        return self._sealer.open(identity.session_key) if identity.session_key else None

    def renew(self, connection: Connection, identity: Identity, session_key: str, now: int) -> None:
        """Make what WeChat has just answered the stored key, unless it is that already."""
        if self.current(identity) != session_key:
            self.replace(connection, identity, session_key, now)

    def replace(self, connection: Connection, identity: Identity, session_key: str, now: int) -> None:
        """Make this the stored key and keep the one before."""
        identities.replace_session_key(
            connection,
            identity.id,
            session_key=self._sealer.seal(session_key),
            previous=identity.session_key,
            now=now,
        )

    def reset(self, connection: Connection, identity: Identity, session_key: str) -> bool:
        """Store this key in place of both that were held; False when a login has stored another meanwhile."""
        return identities.reset_session_key(
            connection, identity.id, session_key=self._sealer.seal(session_key), held=identity.session_key
        )
