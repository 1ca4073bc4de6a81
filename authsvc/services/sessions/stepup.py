"""Step-up: proof that the person is present, because a token alone proves only a session.

Access tokens are meant to be passed to other services, and long-lived ones are stored on phones. A fresh code of
``wx.login`` can only come from the person's own phone, and needs no tap.
"""

import hmac

from sqlalchemy import Connection

from authsvc.clock import SystemClock
from authsvc.db.database import Database
from authsvc.db.queries import identities
from authsvc.errors import SessionEnded, StepUpMismatch
from authsvc.services.miniprograms.logincodes import LoginCodes
from authsvc.services.miniprograms.sessionkeys import SessionKeys
from authsvc.values.sessions import Caller


class StepUp:
    """Checks with WeChat who is present."""

    def __init__(
        self, login_codes: LoginCodes, database: Database, session_keys: SessionKeys, clock: SystemClock
    ) -> None:
        self._login_codes = login_codes
        self._database = database
        self._session_keys = session_keys
        self._clock = clock

    def prove(self, caller: Caller, code: str) -> None:
        """Check that a code of ``wx.login`` belongs to the identity that the caller's session began with.

        The code is exchanged for the session's own mini program. Its session_key is stored, because ``wx.login`` has
        replaced the stored one, and data that was encrypted in the same tap must open. Raises StepUpMismatch, a
        WeChatError, or SessionEnded if the identity was removed meanwhile.
        """
        session = caller.session
        exchanged = self._login_codes.exchange(self._login_codes.app(session.appid), code)
        # Without an identity, as after a concurrent unlinking, the openid is empty and matches none.
        if not hmac.compare_digest(exchanged.openid.encode(), caller.openid.encode()):
            raise StepUpMismatch("a code of another WeChat account")

        def work(connection: Connection) -> None:
            known = identities.find(connection, session.appid, exchanged.openid)
            if known is None or (known.id, known.user.id) != (session.identity_id, caller.user.id):
                raise SessionEnded("the identity was removed meanwhile")
            self._session_keys.renew(connection, known, exchanged.session_key, self._clock.seconds())

        self._database.run(work)
