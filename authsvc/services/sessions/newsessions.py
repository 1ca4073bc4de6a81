"""New sessions: so many may live, the one that was unused for the longest ends; a new device leaves an audit event."""

import secrets
from dataclasses import dataclass

from sqlalchemy import Connection

from authsvc.clock import DAY
from authsvc.db.queries import sessions
from authsvc.errors import TooManyRequests
from authsvc.services.audit import AuditLog
from authsvc.services.sessions import devices
from authsvc.values.operator import of_app
from authsvc.values.people import User
from authsvc.values.sessions import DEVICE_CHARACTERS, Session, SessionCaps, TokenPolicy
from authsvc.values.wechat import MiniProgram

# Which devices somebody came from is told by the sessions that live and by as many that ended last.
_MEMORY = 100
ABSOLUTE_SECONDS = 90 * DAY


@dataclass(frozen=True, slots=True)
class NewSessions:
    """Opens sessions within the caps; ``native`` is the policy of those that say no other."""

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
        """Store a new session of the user in this app, begun by this identity from this User-Agent.

        The row of the user is locked by this transaction (one that ``is_new`` was made in it): the count would not hold
        otherwise. Raises TooManyRequests for somebody who has opened too many within a day.
        """
        number = 0 if is_new else self._make_room(connection, user, app, device, now)
        return open_session(
            connection, user, app, policy or self.native, device, now, identity_id=identity_id, number=number
        )

    def _make_room(self, connection: Connection, user: User, app: MiniProgram, device: str, now: int) -> int:
        """End what is beyond the cap, note a device not seen before, and return the new session's number."""
        caps, since = self.caps, now - DAY
        most = max(caps.per_day, _MEMORY)
        # Of this mini program: another one's flood of logins must neither end its sessions nor lock people out of it.
        theirs = (user.id, user.token_version, app.appid)
        standing = sessions.standing(connection, *theirs, now=now, since=since, ended_at_most=most)
        if 0 < caps.per_day <= standing.opened_lately:
            raise TooManyRequests(f"user {user.id} has opened {standing.opened_lately} sessions within a day", 3600)
        if standing.live >= caps.per_user:
            kept = caps.per_user - 1
            sessions.end_oldest(connection, *theirs, keep=kept, reason="limit", now=now)
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
    """Store a new session of the user in this app, begun by this identity. ``NewSessions`` holds it to the caps."""
    session = Session(
        id=secrets.token_urlsafe(16),
        user_id=user.id,
        appid=app.appid,
        contract=policy.contract,
        rotated_at=now,
        created_at=now,
        last_used_at=now,
        device=device[:DEVICE_CHARACTERS],
        identity_id=identity_id,
    )
    sessions.insert(
        connection,
        session,
        token_version=user.token_version,
        now=now,
        idle=policy.idle,
        absolute=ABSOLUTE_SECONDS,
        number=number,
    )
    return session
