"""Queries on users."""

from typing import Any

from sqlalchemy import Connection

from authsvc.db.statements import Statement
from authsvc.types import Profile, User

_INSERT = Statement(
    "INSERT INTO users (nickname, avatar_url, gender, status, token_version, created_at, updated_at, last_login_at)"
    " VALUES (:nickname, :avatar_url, :gender, 'active', 0, :now, :now, :now)"
)
_FIND = Statement(
    "SELECT id, status, nickname, avatar_url, gender, token_version, created_at FROM users WHERE id = :id"
)
_RECORD_LOGIN = Statement(
    "UPDATE users SET last_login_at = :now, nickname = COALESCE(:nickname, nickname),"
    " avatar_url = COALESCE(:avatar_url, avatar_url), gender = COALESCE(:gender, gender) WHERE id = :id"
)


def insert(connection: Connection, profile: Profile, now: int) -> User:
    """Make an active user."""
    result = _INSERT.run(
        connection, nickname=profile.nickname, avatar_url=profile.avatar_url, gender=profile.gender, now=now
    )
    return User(int(result.lastrowid), "active", profile, token_version=0, created_at=now)


def get(connection: Connection, user_id: int) -> User:
    """Return the user with this id, which must exist."""
    row: tuple[Any, ...] = tuple(_FIND.run(connection, id=user_id).one())
    return User(row[0], row[1], Profile(row[2], row[3], row[4]), row[5], row[6])


def record_login(connection: Connection, user_id: int, profile: Profile, now: int) -> None:
    """Note a login, and keep what the profile newly says; ``None`` fields leave what is stored."""
    _RECORD_LOGIN.run(
        connection,
        id=user_id,
        now=now,
        nickname=profile.nickname,
        avatar_url=profile.avatar_url,
        gender=profile.gender,
    )
