"""Step-up: that the person is there, where a token alone proves a session only.

Access tokens are handed to other services by design, and long-lived ones lie on phones. A fresh code of ``wx.login``
is had on the person's own phone alone, and costs no tap.
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
    """Asks WeChat who is there."""

    def __init__(
        self, login_codes: LoginCodes, database: Database, session_keys: SessionKeys, clock: SystemClock
    ) -> None:
        self._login_codes = login_codes
        self._database = database
        self._session_keys = session_keys
        self._clock = clock

    def prove(self, caller: Caller, code: str) -> None:
        """Make sure that a code of ``wx.login`` is of the identity that the caller's session began with.

        The code is asked of the session's own mini program. Its session_key is stored: ``wx.login`` has replaced the
        one that we hold, and what this very tap encrypted must open. Raises StepUpMismatch, a WeChatError,
        or SessionEnded when the identity was removed meanwhile.
        """
        session = caller.session
        exchanged = self._login_codes.exchange(self._login_codes.app(session.appid), code)
        # Without an identity, as after an unlinking meanwhile, the openid is empty and equals none.
        if not hmac.compare_digest(exchanged.openid.encode(), caller.openid.encode()):
            raise StepUpMismatch("a code of another WeChat account")

        def work(connection: Connection) -> None:
            known = identities.find(connection, session.appid, exchanged.openid)
            if known is None or (known.id, known.user.id) != (session.identity_id, caller.user.id):
                raise SessionEnded("the identity was removed meanwhile")
            self._session_keys.renew(connection, known, exchanged.session_key, self._clock.seconds())

        self._database.run(work)
