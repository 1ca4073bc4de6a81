"""Queries on sessions."""

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from authsvc.db.deletion import Deletion
from authsvc.db.queries import users
from authsvc.db.statements import Statement
from authsvc.values.operator import SignIn
from authsvc.values.people import User
from authsvc.values.sessions import Session


@dataclass(frozen=True, slots=True)
class NewSession:
    """A session to be stored. It ends ``idle`` seconds after its last refresh, and after ``absolute`` at the latest."""

    session: Session
    token_version: int
    idle: int
    absolute: int


@dataclass(frozen=True, slots=True)
class LiveSession:
    """A live session, its user, and the openid that they signed in with (empty if unlinked)."""

    session: Session
    user: User
    openid: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Standing:
    """A summary of a user's sessions.

    Counts the live ones and the recently opened ones of one app; the highest number and the devices are of all apps. Of
    the ended sessions, only the last ones are read.
    """

    live: int
    opened_lately: int
    latest: int
    devices: tuple[str, ...]


_SESSION = (
    "s.id, s.user_id, s.appid, s.contract, s.counter, s.rotated_at, s.created_at, s.last_used_at, s.device,"
    " s.identity_id"
)
_SESSION_COUNT = 10
_INTO = (
    "INSERT INTO sessions (id, user_id, appid, contract, counter, token_version, created_at, last_used_at,"
    " rotated_at, idle_seconds, idle_expires_at, absolute_expires_at, device, identity_id, number)"
)
_VALUES = (
    ":id, :user_id, :appid, :contract, 0, :token_version, :now, :now, :now, :idle, :idle_until, :absolute_until,"
    " :device, :identity_id"
)
_INSERT = Statement(f"{_INTO} VALUES ({_VALUES}, :number)")
# Sessions opened within a day are either among those that have not been ended, or were ended within that day.
_INSERT_IF_ORDINARY = Statement(
    f"{_INTO} SELECT {_VALUES}, latest + 1 FROM"
    " (SELECT COUNT(*) AS held, MAX(number) AS latest, MAX(device = :device) AS knows_device"
    " FROM sessions WHERE user_id = :user_id AND revoked_at IS NULL) AS standing"
    " WHERE knows_device = 1 AND held < :per_user AND held +"
    " (SELECT COUNT(*) FROM sessions WHERE user_id = :user_id AND revoked_at > :since) < :per_day"
)
# A session is live if it was not ended, is within both limits, and no "end everything" came after it.
_LIVE = (
    "s.revoked_at IS NULL AND s.idle_expires_at > :now AND s.absolute_expires_at > :now"
    " AND s.token_version = u.token_version"
)
_FIND_LIVE = Statement(
    f"SELECT {_SESSION}, {users.COLUMNS}, i.openid"
    " FROM sessions s JOIN users u ON u.id = s.user_id"
    " LEFT JOIN identities i ON i.id = s.identity_id"
    f" WHERE s.id = :id AND {_LIVE}"
)
_LAST_IDENTITY = Statement(
    "SELECT identity_id FROM sessions WHERE user_id = :user_id AND appid = :appid AND identity_id IS NOT NULL"
    " ORDER BY created_at DESC, number DESC LIMIT 1"
)
_LIVE_OF_USER = Statement(
    f"SELECT {_SESSION} FROM sessions s JOIN users u ON u.id = s.user_id"
    f" WHERE s.user_id = :user_id AND (:appid IS NULL OR s.appid = :appid) AND {_LIVE}"
    " ORDER BY s.last_used_at DESC LIMIT 200"
)
_LATEST_OF_USER = Statement(
    "SELECT s.id AS session_id, s.appid, s.contract, s.device, s.created_at, s.last_used_at,"
    " s.revoked_at AS ended_at, s.revoke_reason AS reason,"
    f" CASE WHEN {_LIVE} THEN 1 ELSE 0 END AS is_live FROM sessions s JOIN users u ON u.id = s.user_id"
    " WHERE s.user_id = :user_id ORDER BY s.created_at DESC, s.number DESC LIMIT :limit"
)
# The same for a user whose row the caller has locked.
_LIVE_NOW = (
    "idle_expires_at > :now AND absolute_expires_at > :now AND token_version = :token_version AND revoked_at IS NULL"
)
# Uses the index over user and end, and reads no more rows than can be live and requested.
_STANDING = Statement(
    "SELECT device, SUM(is_live) AS live, SUM(is_late) AS late, MAX(number) AS latest FROM"
    f" (SELECT device, number, {_LIVE_NOW} AND appid = :appid AS is_live,"
    " created_at > :since AND appid = :appid AS is_late"
    " FROM sessions WHERE user_id = :user_id AND revoked_at IS NULL"
    " UNION ALL SELECT * FROM (SELECT device, number, 0 AS is_live, created_at > :since AND appid = :appid AS is_late"
    " FROM sessions WHERE user_id = :user_id AND revoked_at > 0 ORDER BY revoked_at DESC LIMIT :ended_at_most) AS old)"
    " AS looked_at GROUP BY device"
)
_KEPT = (
    f"SELECT id FROM sessions WHERE user_id = :user_id AND appid = :appid AND {_LIVE_NOW}"
    " ORDER BY last_used_at DESC, number DESC LIMIT 1000000 OFFSET :keep"
)
_END_OLDEST = Statement(
    f"UPDATE sessions SET revoked_at = :now, revoke_reason = :reason WHERE id IN (SELECT id FROM ({_KEPT}) AS oldest)"
)
# Compare-and-swap: of many callers with the same counter, one changes the row.
_ROTATE = Statement(
    "UPDATE sessions SET counter = counter + 1, rotated_at = :now, last_used_at = :now,"
    " idle_expires_at = :now + idle_seconds WHERE id = :id AND counter = :counter AND revoked_at IS NULL"
)
_EXTEND = Statement(
    "UPDATE sessions SET last_used_at = :now, idle_expires_at = :now + idle_seconds"
    " WHERE id = :id AND revoked_at IS NULL"
)
_TOUCH = Statement("UPDATE sessions SET last_used_at = :now WHERE id = :id AND last_used_at < :before")
_END = Statement(
    "UPDATE sessions SET revoked_at = :now, revoke_reason = :reason"
    " WHERE id = :id AND user_id = :user_id AND revoked_at IS NULL"
)
_END_ALL = Statement(
    "UPDATE sessions SET revoked_at = :now, revoke_reason = :reason WHERE user_id = :user_id AND revoked_at IS NULL"
)
_END_OTHERS = Statement(
    "UPDATE sessions SET revoked_at = :now, revoke_reason = :reason"
    " WHERE user_id = :user_id AND appid = :appid AND id <> :except_id AND revoked_at IS NULL"
)
_END_OF_IDENTITY = Statement(
    "UPDATE sessions SET revoked_at = :now, revoke_reason = :reason"
    " WHERE user_id = :user_id AND identity_id = :identity_id AND revoked_at IS NULL"
)
_DELETE_OLD = Deletion(
    "sessions", "(absolute_expires_at < :before OR idle_expires_at < :before OR revoked_at < :before)"
)


def insert(connection: Connection, new: NewSession, number: int) -> None:
    """Store a new session. ``number`` is higher than those of the user's live sessions."""
    _INSERT.run(connection, **_values(new), number=number)


def insert_if_ordinary(connection: Connection, new: NewSession, *, per_user: int, per_day: int, since: int) -> bool:
    """Store a new session with the next number if it is clear that nothing else has to be done; False if not.

    That is: one of the user's sessions that have not been ended has exactly this device; they are fewer than
    ``per_user``, and with those that were ended after ``since``, fewer than ``per_day``. Exact if the caller has locked
    the user's row.
    """
    done = _INSERT_IF_ORDINARY.run(connection, **_values(new), per_user=per_user, per_day=per_day, since=since)
    return done.rowcount == 1


def _values(new: NewSession) -> dict[str, Any]:
    session = new.session
    return {
        "id": session.id,
        "user_id": session.user_id,
        "appid": session.appid,
        "contract": session.contract,
        "token_version": new.token_version,
        "now": session.created_at,
        "idle": new.idle,
        "idle_until": session.created_at + new.idle,
        "absolute_until": session.created_at + new.absolute,
        "device": session.device,
        "identity_id": session.identity_id,
    }


def standing(
    connection: Connection, user_id: int, token_version: int, appid: str, *, now: int, since: int, ended_at_most: int
) -> Standing:
    """Return a summary of a user's sessions, counting those of this app, and those opened after ``since``.

    Exact if the caller has locked the user's row, from which ``token_version`` comes.
    """
    rows = _STANDING.run(
        connection,
        user_id=user_id,
        token_version=token_version,
        appid=appid,
        now=now,
        since=since,
        ended_at_most=ended_at_most,
    ).all()
    return Standing(
        live=int(sum(row.live for row in rows)),
        opened_lately=int(sum(row.late for row in rows)),
        latest=max((row.latest for row in rows), default=0),
        devices=tuple(row.device for row in rows),
    )


def end_oldest(
    connection: Connection, user_id: int, token_version: int, appid: str, *, keep: int, reason: str, now: int
) -> None:
    """End all live sessions of a user in this app except the ``keep`` most recently used ones."""
    values = {"user_id": user_id, "token_version": token_version, "appid": appid}
    _END_OLDEST.run(connection, **values, keep=keep, reason=reason, now=now)


def last_identity(connection: Connection, user_id: int, appid: str) -> int | None:
    """Return the id of the identity that the user last signed in with in this app, if a session tells."""
    found: int | None = _LAST_IDENTITY.run(connection, user_id=user_id, appid=appid).scalar()
    return found


def find_live(connection: Connection, session_id: str, now: int) -> LiveSession | None:
    """Return the session if it is live."""
    found = _FIND_LIVE.run(connection, id=session_id, now=now).first()
    if found is None:
        return None
    row: tuple[Any, ...] = tuple(found)
    return LiveSession(Session(*row[:_SESSION_COUNT]), users.from_row(row[_SESSION_COUNT:-1]), row[-1] or "")


def live_of_user(connection: Connection, user_id: int, now: int, appid: str | None = None) -> list[Session]:
    """Return up to 200 live sessions of a user (in this app, if one is named), most recently used first."""
    rows = _LIVE_OF_USER.run(connection, user_id=user_id, appid=appid, now=now)
    return [Session(*row) for row in map(tuple, rows)]


def latest_of_user(connection: Connection, user_id: int, now: int, limit: int) -> list[SignIn]:
    """Return the latest sessions of a user, latest first, whether they have ended or not."""
    rows = _LATEST_OF_USER.run(connection, user_id=user_id, now=now, limit=limit)
    return [SignIn(**{**row._asdict(), "is_live": bool(row.is_live)}) for row in rows]


def rotate(connection: Connection, session_id: str, counter: int, now: int) -> bool:
    """Count one rotation if the counter has not changed; False if another caller was faster, or the session ended."""
    return _ROTATE.run(connection, id=session_id, counter=counter, now=now).rowcount == 1


def extend(connection: Connection, session_id: str, now: int) -> bool:
    """Restart the idle time; False if the session has ended."""
    return _EXTEND.run(connection, id=session_id, now=now).rowcount == 1


def touch(connection: Connection, session_id: str, *, now: int, before: int) -> None:
    """Record that the session was used, unless that was recorded since ``before``."""
    _TOUCH.run(connection, id=session_id, now=now, before=before)


def end(connection: Connection, session_id: str, user_id: int, reason: str, now: int) -> bool:
    """End one session of this user; False if it is not theirs or has ended."""
    return _END.run(connection, id=session_id, user_id=user_id, reason=reason, now=now).rowcount == 1


def end_all(connection: Connection, user_id: int, reason: str, now: int) -> int:
    """End the user's sessions; return how many."""
    return _END_ALL.run(connection, user_id=user_id, reason=reason, now=now).rowcount


def end_others(connection: Connection, user_id: int, appid: str, reason: str, now: int, *, except_id: str) -> int:
    """End the user's sessions in this app except one; return how many."""
    return _END_OTHERS.run(
        connection, user_id=user_id, appid=appid, reason=reason, now=now, except_id=except_id
    ).rowcount


def end_of_identity(connection: Connection, user_id: int, identity_id: int, reason: str, now: int) -> None:
    """End the sessions that the user began with one identity."""
    _END_OF_IDENTITY.run(connection, user_id=user_id, identity_id=identity_id, reason=reason, now=now)


def delete_ended(connection: Connection, before: int) -> int:
    """Delete some sessions that ended before that time; return how many, 0 if none is left."""
    return _DELETE_OLD.run(connection, before)
