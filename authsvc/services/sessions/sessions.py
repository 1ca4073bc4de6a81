"""Sessions: opened by a login, rotated by a refresh, ended by a logout, checked by every guarded route.

There is one model with two kinds of ticket: the native refresh token, and the only token of other front ends. Both
contain the session's counter, and only this decides: the latest counter rotates, the previous one gets the same next
ticket during a short grace (two tabs, a lost answer), and any older one means theft and ends the session.
"""

from dataclasses import replace
from typing import Literal

from sqlalchemy import Connection

from authsvc.clock import SystemClock
from authsvc.db.database import Database, Restart
from authsvc.db.queries import sessions, users
from authsvc.db.queries.sessions import LiveSession
from authsvc.errors import NotFound, SessionEnded, Unauthenticated
from authsvc.services.accounts.accounts import refuse_inactive
from authsvc.services.audit import AuditLog
from authsvc.services.sessions.tokens import SessionTokens
from authsvc.values.operator import of_app
from authsvc.values.sessions import Caller, LoginResult, Session, TokenPolicy, VerifiedClaims

# Use is recorded at most this often, because a write per request would make reading as expensive as writing.
_TOUCH_SECONDS = 300

Scope = Literal["local", "others", "global"]


class Sessions:
    """Operations on sessions."""

    def __init__(
        self,
        database: Database,
        tokens: SessionTokens,
        audit: AuditLog,
        clock: SystemClock,
        grace: int,
    ) -> None:
        """``grace`` in seconds."""
        self._database = database
        self._tokens = tokens
        self._audit = audit
        self._clock = clock
        self._grace = grace

    def authenticate(self, claims: VerifiedClaims) -> Caller:
        """Return the caller of a live session; raises SessionEnded, or AccountDisabled."""
        now = self._clock.seconds()
        live = _entitled(self._find_live(claims.session_id), claims)
        if live.session.last_used_at < now - _TOUCH_SECONDS:
            self._database.run(sessions.touch, live.session.id, now=now, before=now - _TOUCH_SECONDS)
        return Caller(live.user, live.session, claims, live.openid)

    def refresh(self, refresh_token: str) -> LoginResult:
        """Rotate a native session: a new access token and the next refresh token.

        Raises Unauthenticated or SessionEnded; an old token ends the session.
        """
        session_id, counter = self._tokens.read_refresh(refresh_token)
        return self._renew(session_id, counter, self._tokens.native)

    def renew(self, claims: VerifiedClaims, policy: TokenPolicy) -> LoginResult:
        """Rotate a session whose front end has only one token: a new token for the latest one.

        The token may have expired, but not the session. Raises as ``refresh`` does, and for another contract's token.
        """
        session_id, _, counter = claims.jti.rpartition(".")
        if session_id != claims.session_id or not counter.isdecimal():
            raise Unauthenticated("not a token that renews itself")
        return self._renew(session_id, int(counter), policy, claims)

    def _renew(
        self, session_id: str, counter: int, policy: TokenPolicy, claims: VerifiedClaims | None = None
    ) -> LoginResult:
        def work(connection: Connection) -> LiveSession | None:
            live = sessions.find_live(connection, session_id, self._clock.seconds())
            if claims is not None:
                _entitled(live, claims)
            return self._rotate(connection, live, counter, policy.contract)

        live = self._database.run(work)
        if live is None:
            raise SessionEnded("an old ticket was used again")
        return self._tokens.hand_out(live.user, live.session, live.openid, policy)

    def _rotate(
        self, connection: Connection, live: LiveSession | None, counter: int, contract: str
    ) -> LiveSession | None:
        """Return the session after this use of its ticket; None if the ticket was too old and the session was ended."""
        now = self._clock.seconds()
        if live is None or live.session.contract != contract:
            raise SessionEnded("session ended or expired")
        refuse_inactive(live.user)
        session = live.session
        if counter == session.counter:
            if not sessions.rotate(connection, session.id, counter, now):
                raise Restart
            return replace(live, session=replace(session, counter=counter + 1, rotated_at=now))
        if self._repeats(session, counter):
            return live
        # Of many simultaneous requests with an old ticket, only one ends the session and writes an event.
        if sessions.end(connection, session.id, session.user_id, "reuse", now):
            self._audit.record(connection, "refresh_reuse", session.user_id, now, of_app(session.appid))
        return None

    def _repeats(self, session: Session, counter: int) -> bool:
        """True for the previous ticket during the grace."""
        is_previous = counter == session.counter - 1
        return is_previous and self._grace > 0 and self._clock.seconds() - session.rotated_at <= self._grace

    def find(self, refresh_token: str) -> Session:
        """Return the session that this token would refresh now, and change nothing.

        Raises Unauthenticated, SessionEnded or AccountDisabled.
        """
        session_id, counter = self._tokens.read_refresh(refresh_token)
        live = self._find_live(session_id)
        if live is None or live.session.contract != self._tokens.native.contract:
            raise SessionEnded("session ended or expired")
        refuse_inactive(live.user)
        if counter != live.session.counter and not self._repeats(live.session, counter):
            raise SessionEnded("an old ticket")
        return live.session

    def revoke(self, ticket: str | VerifiedClaims) -> Session | None:
        """End the session of a refresh token of any age, or of a valid access token; return it if it was live.

        Raises Unauthenticated for a text that is not a valid refresh token.
        """
        claims = None if isinstance(ticket, str) else ticket
        session_id = self._tokens.read_refresh(ticket)[0] if isinstance(ticket, str) else ticket.session_id
        now = self._clock.seconds()

        def work(connection: Connection) -> Session | None:
            live = sessions.find_live(connection, session_id, now)
            if live is None or (claims and not _is_of(live, claims)):
                return None
            if not sessions.end(connection, session_id, live.user.id, "revoked", now):
                return None
            self._audit.tell(connection, "sessions.ended", live.user.id, now)
            return live.session

        return self._database.run(work)

    def extend(self, caller: Caller, policy: TokenPolicy) -> None:
        """Restart the session's idle time; its token does not change.

        Raises SessionEnded, also if a token of this contract would expire before its front end's next check.
        """
        now = self._clock.seconds()
        if caller.session.contract == policy.contract and caller.claims.expires_at - now < policy.least_left:
            raise SessionEnded("token too old to be kept")
        if not self._database.run(sessions.extend, caller.session.id, now):
            raise SessionEnded("session ended")

    def log_out(self, caller: Caller, scope: Scope) -> None:
        """End this session, all others in its mini program, or all in every one. Writes no event if nothing ended."""
        now, user_id, appid = self._clock.seconds(), caller.user.id, caller.session.appid

        def work(connection: Connection) -> None:
            if scope == "local":
                if sessions.end(connection, caller.session.id, user_id, "logout", now):
                    self._audit.tell(connection, "sessions.ended", user_id, now)
                return
            if scope == "global":
                users.end_everything(connection, user_id, now)
                ended = sessions.end_all(connection, user_id, "logout", now)
            else:
                ended = sessions.end_others(connection, user_id, appid, "logout", now, except_id=caller.session.id)
            if ended:
                self._audit.record(connection, f"logout_{scope}", user_id, now, of_app(appid))

        self._database.run(work)

    def list(self, caller: Caller) -> list[Session]:
        """Return the caller's live sessions in this session's mini program, most recently used first."""
        now, appid = self._clock.seconds(), caller.session.appid
        return self._database.read(sessions.live_of_user, caller.user.id, now, appid)

    def end(self, caller: Caller, session_id: str) -> None:
        """End one of the caller's sessions; raises NotFound if they have no such live session in this mini program."""
        now, user_id = self._clock.seconds(), caller.user.id

        def work(connection: Connection) -> None:
            live = sessions.find_live(connection, session_id, now)
            if live is None or live.session.appid != caller.session.appid:
                raise NotFound("no such session")
            if not sessions.end(connection, session_id, user_id, "logout", now):
                raise NotFound("another user's, or ended meanwhile")
            if session_id != caller.session.id:
                ended = of_app(live.session.appid, live.session.device)
                self._audit.record(connection, "session_ended", user_id, now, ended)
            else:
                self._audit.tell(connection, "sessions.ended", user_id, now)

        self._database.run(work)

    def _find_live(self, session_id: str) -> LiveSession | None:
        now = self._clock.seconds()
        return self._database.read(sessions.find_live, session_id, now)


def _is_of(live: LiveSession, claims: VerifiedClaims) -> bool:
    return (live.user.id, live.session.appid) == (claims.user_id, claims.appid)


def _entitled(live: LiveSession | None, claims: VerifiedClaims) -> LiveSession:
    if live is None or not _is_of(live, claims):
        raise SessionEnded("session ended or expired")
    refuse_inactive(live.user)
    return live
