"""Queries on the roles that services have given to people, and on what else tokens say of them."""

from collections.abc import Sequence

from sqlalchemy import Connection

from authsvc.db.statements import Statement
from authsvc.values.claims import Standing

_FIND = Statement("SELECT roles FROM person_roles WHERE user_id = :user_id AND appid = :appid")
_VALUES = "INSERT INTO person_roles (user_id, appid, roles, set_at) VALUES (:user_id, :appid, :roles, :now)"
_REPLACE = Statement(
    f"{_VALUES} ON CONFLICT (user_id, appid) DO UPDATE SET roles = excluded.roles, set_at = excluded.set_at",
    mysql=f"{_VALUES} ON DUPLICATE KEY UPDATE roles = VALUES(roles), set_at = VALUES(set_at)",
)
_DELETE = Statement("DELETE FROM person_roles WHERE user_id = :user_id AND appid = :appid")
_MOVE = Statement(
    "UPDATE OR IGNORE person_roles SET user_id = :into WHERE user_id = :user_id",
    mysql="UPDATE IGNORE person_roles SET user_id = :into WHERE user_id = :user_id",
)
_DELETE_OF_USER = Statement("DELETE FROM person_roles WHERE user_id = :user_id")
# One statement, because a login waits for it.
_STANDING = Statement(
    "SELECT (SELECT c.batch FROM invite_uses u JOIN invite_codes c ON c.id = u.invite_code_id"
    " WHERE u.user_id = :user_id) AS campaign,"
    " (SELECT roles FROM person_roles WHERE user_id = :user_id AND appid = :appid) AS roles"
)


def find(connection: Connection, user_id: int, appid: str) -> tuple[str, ...]:
    """Return the person's roles in this mini program."""
    return _split(_FIND.run(connection, user_id=user_id, appid=appid).scalar())


def replace(connection: Connection, user_id: int, appid: str, roles: Sequence[str], now: int) -> None:
    """Give the person these roles in this mini program, and no others."""
    if roles:
        _REPLACE.run(connection, user_id=user_id, appid=appid, roles=" ".join(roles), now=now)
    else:
        _DELETE.run(connection, user_id=user_id, appid=appid)


def move_all(connection: Connection, user_id: int, into: int) -> None:
    """Move the roles of one user to another, who keeps their own where they have some."""
    _MOVE.run(connection, user_id=user_id, into=into)
    _DELETE_OF_USER.run(connection, user_id=user_id)


def standing(connection: Connection, user_id: int, appid: str) -> Standing:
    """Return what the person's tokens for this mini program may say."""
    row = _STANDING.run(connection, user_id=user_id, appid=appid).one()
    return Standing(row.campaign, _split(row.roles))


def _split(roles: str | None) -> tuple[str, ...]:
    return tuple((roles or "").split())
