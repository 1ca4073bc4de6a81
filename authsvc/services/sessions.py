"""Sessions: opened by a login, asked for by every guarded endpoint."""

import secrets

from sqlalchemy import Connection

from authsvc.clock import SystemClock
from authsvc.db import sessions
from authsvc.db.database import Database
from authsvc.errors import SessionEnded
from authsvc.services.accounts import refuse_inactive
from authsvc.types import Caller, MiniProgram, Session, TokenPolicy, User, VerifiedClaims

ABSOLUTE_SECONDS = 90 * 86400
_MAX_DEVICE = 255


class SessionService:
    """What may be done in the name of a session."""

    def __init__(self, database: Database, clock: SystemClock) -> None:
        self._database = database
        self._clock = clock

    def authenticate(self, claims: VerifiedClaims) -> Caller:
        """Return the caller of a live session; raises SessionEnded, or AccountDisabled."""
        now = int(self._clock.now())
        found = self._database.read(lambda connection: sessions.find_live_user(connection, claims.session_id, now))
        if found is None or found[0].id != claims.user_id:
            raise SessionEnded("session ended or run out")
        refuse_inactive(found[0])
        return Caller(user=found[0], claims=claims, openid=found[1])


def open_session(
    connection: Connection, user: User, app: MiniProgram, policy: TokenPolicy, device: str, now: int
) -> Session:
    """Store a new session of the user in this app."""
    session = Session(secrets.token_urlsafe(16), user.id, app.appid)
    sessions.insert(
        connection,
        session,
        token_version=user.token_version,
        now=now,
        idle=now + policy.idle,
        absolute=now + ABSOLUTE_SECONDS,
        device=device[:_MAX_DEVICE],
    )
    return session
