"""Queries on identities (one person in one mini program) and on the unionids that join them."""

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from authsvc.db.statements import Statement
from authsvc.types import Profile, User


@dataclass(frozen=True, slots=True)
class Identity:
    """An identity with its user, as a login needs them. Keys are sealed; ``replaced_at`` in seconds UTC."""

    id: int
    openid: str = field(repr=False)
    unionid: str | None = field(repr=False)
    session_key: str = field(repr=False)
    previous_session_key: str | None = field(repr=False)
    replaced_at: int | None
    user: User


_COLUMNS = (
    "i.id, i.openid, i.unionid, i.session_key, i.previous_session_key, i.session_key_replaced_at,"
    " u.id, u.status, u.nickname, u.avatar_url, u.gender, u.token_version, u.created_at"
    " FROM identities i JOIN users u ON u.id = i.user_id"
)
_FIND = Statement(f"SELECT {_COLUMNS} WHERE i.appid = :appid AND i.openid = :openid")
_GET = Statement(f"SELECT {_COLUMNS} WHERE i.id = :id")
_INSERT = Statement(
    "INSERT INTO identities (appid, openid, unionid, user_id, session_key, created_at)"
    " VALUES (:appid, :openid, :unionid, :user_id, :session_key, :now) ON CONFLICT DO NOTHING",
    mysql="INSERT INTO identities (appid, openid, unionid, user_id, session_key, created_at)"
    " VALUES (:appid, :openid, :unionid, :user_id, :session_key, :now) ON DUPLICATE KEY UPDATE id = id",
)
_REPLACE_KEY = Statement(
    "UPDATE identities SET session_key = :session_key, previous_session_key = :previous,"
    " session_key_replaced_at = :now WHERE id = :id"
)
_SET_UNIONID = Statement("UPDATE identities SET unionid = :unionid WHERE id = :id")
_UNIONID_OWNER = Statement("SELECT user_id FROM unionids WHERE unionid = :unionid")
_CLAIM_UNIONID = Statement(
    "INSERT INTO unionids (unionid, user_id) VALUES (:unionid, :user_id) ON CONFLICT DO NOTHING",
    mysql="INSERT INTO unionids (unionid, user_id) VALUES (:unionid, :user_id)"
    " ON DUPLICATE KEY UPDATE unionid = unionid",
)


def find(connection: Connection, appid: str, openid: str) -> Identity | None:
    """Return this identity and its user, if known."""
    row = _FIND.run(connection, appid=appid, openid=openid).one_or_none()
    return None if row is None else _identity(tuple(row))


def get(connection: Connection, identity_id: int) -> Identity:
    """Return the identity with this id, which must exist."""
    return _identity(tuple(_GET.run(connection, id=identity_id).one()))


def insert_if_absent(
    connection: Connection,
    *,
    appid: str,
    openid: str,
    unionid: str | None,
    user_id: int,
    session_key: str,
    now: int,
) -> int | None:
    """Add the identity and return its id; None when somebody else has just added it. ``session_key`` is sealed."""
    result = _INSERT.run(
        connection,
        appid=appid,
        openid=openid,
        unionid=unionid,
        user_id=user_id,
        session_key=session_key,
        now=now,
    )
    return int(result.lastrowid) if result.rowcount == 1 else None


def replace_session_key(connection: Connection, identity_id: int, *, session_key: str, previous: str, now: int) -> None:
    """Store a new sealed session_key and keep the one before, with the time of the change."""
    _REPLACE_KEY.run(connection, id=identity_id, session_key=session_key, previous=previous, now=now)


def set_unionid(connection: Connection, identity_id: int, unionid: str) -> None:
    """Attach a unionid that has become known to an identity."""
    _SET_UNIONID.run(connection, id=identity_id, unionid=unionid)


def find_unionid_owner(connection: Connection, unionid: str) -> int | None:
    """Return the id of the user whose unionid this is, if anybody's."""
    owner = _UNIONID_OWNER.run(connection, unionid=unionid).scalar()
    return None if owner is None else int(owner)


def claim_unionid(connection: Connection, unionid: str, user_id: int) -> bool:
    """Make the unionid this user's; False when it is already somebody's."""
    return _CLAIM_UNIONID.run(connection, unionid=unionid, user_id=user_id).rowcount == 1


def _identity(row: tuple[Any, ...]) -> Identity:
    user = User(row[6], row[7], Profile(row[8], row[9], row[10]), row[11], row[12])
    return Identity(row[0], row[1], row[2], row[3], row[4], row[5], user)
