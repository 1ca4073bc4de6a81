"""New sessions within the caps: the session unused for the longest time ends; a new device writes an audit event."""

import secrets
from dataclasses import dataclass

from sqlalchemy import Connection

from authsvc.clock import DAY
from authsvc.db.queries import sessions
from authsvc.db.queries.sessions import NewSession
from authsvc.errors import TooManyRequests
from authsvc.services.audit import AuditLog
from authsvc.services.sessions import devices
from authsvc.values.operator import of_app
from authsvc.values.people import User
from authsvc.values.sessions import DEVICE_CHARACTERS, Session, SessionCaps, TokenPolicy
from authsvc.values.wechat import MiniProgram

# A user's known devices are those of the live sessions and of as many sessions that ended last.
_MEMORY = 100
ABSOLUTE_SECONDS = 90 * DAY
# More than anybody can open within a day.
_UNLIMITED = 1_000_000_000


@dataclass(frozen=True, slots=True)
class NewSessions:
    """Opens sessions within the caps; ``native`` is the default policy."""

    caps: SessionCaps
    audit: AuditLog
    native: TokenPolicy

    def open(
        self,
        connection: Connection,
        user: User,
        app: MiniProgram,
        device: str,
        now: int,
        *,
        identity_id: int | None,
        policy: TokenPolicy | None = None,
        is_new: bool = False,
    ) -> Session:
        """Store a new session of the user in this app, with this identity and User-Agent.

        This transaction must have locked the user's row (or created it, if ``is_new``); otherwise the count would not
        be exact. Raises TooManyRequests if the user has opened too many within a day.
        """
        new = _new(user, app, policy or self.native, device, now, identity_id)
        if is_new:
            sessions.insert(connection, new, number=0)
        elif not self._is_stored(connection, new):
            sessions.insert(connection, new, number=self._make_room(connection, user, app, device, now))
        return new.session

    def _is_stored(self, connection: Connection, new: NewSession) -> bool:
        """Store a session for which no room must be made, on a known device, with one statement; False if not."""
        per_day = self.caps.per_day or _UNLIMITED
        since = new.session.created_at - DAY
        return sessions.insert_if_ordinary(connection, new, per_user=self.caps.per_user, per_day=per_day, since=since)

    def _make_room(self, connection: Connection, user: User, app: MiniProgram, device: str, now: int) -> int:
        """End sessions beyond the cap, record a new device, and return the new session's number."""
        caps, since = self.caps, now - DAY
        most = max(caps.per_day, _MEMORY)
        # Only of this mini program: a flood of logins in another one must neither end these sessions nor lock people
        # out.
        theirs = (user.id, user.token_version, app.appid)
        standing = sessions.standing(connection, *theirs, now=now, since=since, ended_at_most=most)
        if 0 < caps.per_day <= standing.opened_lately:
            raise TooManyRequests(f"user {user.id} has opened {standing.opened_lately} sessions within a day", 3600)
        if standing.live >= caps.per_user:
            kept = caps.per_user - 1
            sessions.end_oldest(connection, *theirs, keep=kept, reason="limit", now=now)
            self.audit.tell(connection, "sessions.ended", user.id, now)
        is_known = device in standing.devices or devices.identity(device) in map(devices.identity, standing.devices)
        if not is_known:
            self.audit.record(connection, "new_device", user.id, now, of_app(app.appid, device))
        return standing.latest + 1


def open_session(
    connection: Connection,
    user: User,
    app: MiniProgram,
    policy: TokenPolicy,
    device: str,
    now: int,
    *,
    identity_id: int | None,
    number: int = 0,
) -> Session:
    """Store a new session of the user in this app, with this identity. ``NewSessions`` enforces the caps."""
    new = _new(user, app, policy, device, now, identity_id)
    sessions.insert(connection, new, number)
    return new.session


def _new(
    user: User, app: MiniProgram, policy: TokenPolicy, device: str, now: int, identity_id: int | None
) -> NewSession:
    session = Session(
        id=_session_id(now),
        user_id=user.id,
        appid=app.appid,
        contract=policy.contract,
        rotated_at=now,
        created_at=now,
        last_used_at=now,
        device=device[:DEVICE_CHARACTERS],
        identity_id=identity_id,
    )
    return NewSession(session, user.token_version, policy.idle, ABSOLUTE_SECONDS)


def _session_id(now: int) -> str:
    """Return a new id that nobody can guess. Later ones are greater, so that a large table grows at one end."""
    return f"{now:08x}{secrets.token_urlsafe(16)}"
