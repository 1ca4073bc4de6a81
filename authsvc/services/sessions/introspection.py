"""Other services' requests about tokens: introspection (RFC 7662) and revocation (RFC 7009).

The reason why a token is invalid is not disclosed: unknown, forged, expired, ended and another app's get one answer.
"""

import logging

from authsvc.errors import AccountDisabled, Unauthenticated
from authsvc.services.sessions.sessions import Sessions
from authsvc.signing.tokens import TokenChecker
from authsvc.values.sessions import LiveToken, VerifiedClaims

logger = logging.getLogger(__name__)


class Introspection:
    """Checks tokens of any kind. Works inside an application context, as the checker does."""

    def __init__(self, checker: TokenChecker, sessions: Sessions, issuer: str) -> None:
        self.issuer = issuer
        self._checker = checker
        self._sessions = sessions

    def look_at(self, text: str) -> LiveToken | None:
        """Return the token's user if it would be accepted now, and None for anything else. Changes nothing.

        Raises ServiceBusy.
        """
        try:
            ticket = self._ticket(text)
            if isinstance(ticket, VerifiedClaims):
                session = self._sessions.authenticate(ticket).session
                return LiveToken(session.user_id, session.id, session.appid, ticket)
            session = self._sessions.find(ticket)
            return LiveToken(session.user_id, session.id, session.appid)
        except (Unauthenticated, AccountDisabled):
            return None

    def revoke(self, text: str, service: str) -> None:
        """End the session that a token belongs to, on request of a service; any other text is not an error.

        A refresh token may be an old one; an access token must not have expired. Raises ServiceBusy.
        """
        try:
            ended = self._sessions.revoke(self._ticket(text))
        except Unauthenticated:
            return
        if ended is not None:
            logger.info("session of user %s ended by service %s", ended.user_id, service)

    def _ticket(self, text: str) -> str | VerifiedClaims:
        """Return the claims of an access token, and any other text unchanged, because it may be a refresh token."""
        try:
            return self._checker.check(text)
        except Unauthenticated:
            return text
