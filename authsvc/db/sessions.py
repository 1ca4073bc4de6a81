"""Queries on sessions."""

from typing import Any

from sqlalchemy import Connection

from authsvc.db.statements import Statement
from authsvc.types import Profile, Session, User

_INSERT = Statement(
    "INSERT INTO sessions (id, user_id, appid, counter, token_version, created_at, rotated_at, idle_expires_at,"
    " absolute_expires_at, device) VALUES (:id, :user_id, :appid, 0, :token_version, :now, :now, :idle, :absolute,"
    " :device)"
)
# A session is live while it is not ended, within both limits, and no "end everything" came after it.
_LIVE = (
    "s.revoked_at IS NULL AND s.idle_expires_at > :now AND s.absolute_expires_at > :now"
    " AND s.token_version = u.token_version"
)
_FIND_LIVE = Statement(
    "SELECT u.id, u.status, u.nickname, u.avatar_url, u.gender, u.token_version, u.created_at, i.openid"  # noqa: S608
    " FROM sessions s JOIN users u ON u.id = s.user_id"
    " LEFT JOIN identities i ON i.user_id = s.user_id AND i.appid = s.appid"
    f" WHERE s.id = :id AND {_LIVE} ORDER BY i.id LIMIT 1"
)


def insert(
    connection: Connection,
    session: Session,
    *,
    token_version: int,
    now: int,
    idle: int,
    absolute: int,
    device: str,
) -> None:
    """Store a new session; ``idle`` and ``absolute`` are the seconds UTC at which it ends."""
    _INSERT.run(
        connection,
        id=session.id,
        user_id=session.user_id,
        appid=session.appid,
        token_version=token_version,
        now=now,
        idle=idle,
        absolute=absolute,
        device=device,
    )


def find_live_user(connection: Connection, session_id: str, now: int) -> tuple[User, str] | None:
    """Return the user of a live session and the openid in the session's app (empty when unlinked)."""
    found = _FIND_LIVE.run(connection, id=session_id, now=now).first()
    if found is None:
        return None
    row: tuple[Any, ...] = tuple(found)
    return User(row[0], row[1], Profile(row[2], row[3], row[4]), row[5], row[6]), row[7] or ""
