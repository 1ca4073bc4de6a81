"""Queries on identities (one person in one mini program) and on the unionids that join them."""

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import Connection

from authsvc.db.queries import users
from authsvc.db.statements import ListStatement, Statement
from authsvc.values.operator import UserConflict
from authsvc.values.people import IdentityLink, PhoneNumber, Profile, User, UserStatus


@dataclass(frozen=True, slots=True)
class Identity:
    """An identity with its user, as a login needs them. Keys are encrypted; ``replaced_at`` in seconds UTC."""

    id: int
    appid: str
    openid: str = field(repr=False)
    unionid: str | None = field(repr=False)
    session_key: str | None = field(repr=False)
    previous_session_key: str | None = field(repr=False)
    replaced_at: int | None
    # A second WeChat account that a session of this mini program has linked.
    is_added: bool
    user: User
    # How often decryption failed with the session_key that ``find_counted`` was asked about.
    failures: int = 0


@dataclass(frozen=True, slots=True)
class PersonInApp:
    """A user, and their own identity in one mini program, if they have one there. ``into_id``: whom they are now."""

    id: int
    status: UserStatus
    into_id: int | None
    created_at: int
    nickname: str | None = field(repr=False)
    avatar_url: str | None = field(repr=False)
    phone: PhoneNumber | None = field(repr=False)
    openid: str | None = field(repr=False)
    unionid: str | None = field(repr=False)


_COLUMNS = (
    "i.id, i.appid, i.openid, i.unionid, i.session_key, i.previous_session_key, i.session_key_replaced_at,"
    f" i.is_added, {users.COLUMNS}"
)
_SELECT = f"SELECT {_COLUMNS} FROM identities i JOIN users u ON u.id = i.user_id"
_FIND_SQL = f"{_SELECT} WHERE i.appid = :appid AND i.openid = :openid"
_FIND = Statement(_FIND_SQL, mysql=f"{_FIND_SQL} FOR UPDATE")
# The failures are read after the identity is locked (an outer join depends on the rows before it), so they include
# those that the lock's last holder has counted.
_FIND_COUNTED_SQL = (
    f"SELECT {_COLUMNS}, COALESCE(f.failures, 0) AS failures FROM identities i JOIN users u ON u.id = i.user_id"
    " LEFT JOIN decrypt_failures f ON f.key_hash = :key_hash WHERE i.appid = :appid AND i.openid = :openid"
)
_FIND_COUNTED = Statement(_FIND_COUNTED_SQL, mysql=f"{_FIND_COUNTED_SQL} FOR UPDATE")
_FIND_BY_ID_SQL = f"{_SELECT} WHERE i.id = :id"
_FIND_BY_ID = Statement(_FIND_BY_ID_SQL)
_LOCK_BY_ID = Statement(_FIND_BY_ID_SQL, mysql=f"{_FIND_BY_ID_SQL} FOR UPDATE")
_FIND_OF_USER = Statement(f"{_SELECT} WHERE i.user_id = :user_id AND i.appid = :appid ORDER BY i.id LIMIT 1")
_ALL_OF_USER = Statement(f"{_SELECT} WHERE i.user_id = :user_id ORDER BY i.id")
_OWNERS_OF_OPENIDS = ListStatement(
    "SELECT openid, user_id FROM identities WHERE appid = :appid AND openid IN ({listed})"
)
_OWNERS_OF_UNIONIDS = ListStatement("SELECT unionid, user_id FROM unionids WHERE unionid IN ({listed})")
# A WeChat account that the person has added comes after their own.
_IN_APP = ListStatement(
    "SELECT u.id, u.status, u.merged_into_id, u.created_at, u.nickname, u.avatar_url, u.country_code, u.phone,"
    " i.openid, i.unionid FROM users u LEFT JOIN identities i ON i.user_id = u.id AND i.appid = :appid"
    " WHERE u.id IN ({listed}) ORDER BY u.id, i.is_added DESC, i.id DESC"
)
_FIRST_OPENID = Statement("SELECT openid FROM identities WHERE user_id = :user_id ORDER BY id LIMIT 1")
_LINKS = Statement("SELECT id, appid, created_at, is_added FROM identities WHERE user_id = :user_id ORDER BY id")
_OWNED_LINK = Statement(
    "SELECT user_id, id, appid, created_at, is_added FROM identities WHERE appid = :appid AND openid = :openid"
)
_INSERT = Statement(
    "INSERT INTO identities (appid, openid, unionid, user_id, session_key, is_added, created_at)"
    " VALUES (:appid, :openid, :unionid, :user_id, :session_key, :is_added, :now)"
)
_MAKE_OWN = Statement("UPDATE identities SET is_added = 0 WHERE id = :id")
_REPLACE_KEY = Statement(
    "UPDATE identities SET session_key = :session_key, previous_session_key = :previous,"
    " session_key_replaced_at = :now WHERE id = :id"
)
# One statement where the database can change two tables at once.
_RECORD_LOGIN = Statement(
    "UPDATE identities i JOIN users u ON u.id = i.user_id SET i.session_key = :session_key,"
    " i.previous_session_key = :previous, i.session_key_replaced_at = :now, u.last_login_at = :now,"
    " u.nickname = COALESCE(:nickname, u.nickname), u.avatar_url = COALESCE(:avatar_url, u.avatar_url),"
    " u.gender = COALESCE(:gender, u.gender) WHERE i.id = :id"
)
_RESET_KEY = Statement(
    "UPDATE identities SET session_key = :session_key, previous_session_key = NULL, session_key_replaced_at = NULL"
    " WHERE id = :id AND session_key = :held"
)
_SET_UNIONID = Statement("UPDATE identities SET unionid = :unionid WHERE id = :id")
_MOVE = Statement("UPDATE identities SET user_id = :into WHERE user_id = :user_id")
_DELETE_ONE = Statement("DELETE FROM identities WHERE id = :id AND user_id = :user_id")
_OWNER_SQL = f"SELECT {users.COLUMNS} FROM unionids o JOIN users u ON u.id = o.user_id WHERE o.unionid = :unionid"
_UNIONID_OWNER = Statement(_OWNER_SQL, mysql=f"{_OWNER_SQL} FOR UPDATE")
_CLAIM_UNIONID = Statement("INSERT INTO unionids (unionid, user_id) VALUES (:unionid, :user_id)")
_MOVE_UNIONIDS = Statement("UPDATE unionids SET user_id = :into WHERE user_id = :user_id")
_DELETE_ORPHAN_UNIONIDS = Statement(
    "DELETE FROM unionids WHERE user_id = :user_id AND NOT EXISTS"
    " (SELECT 1 FROM identities i WHERE i.user_id = :user_id AND i.unionid = unionids.unionid)"
)
_CONFLICTS = Statement(
    "SELECT i.user_id, o.user_id AS other_user_id, i.appid FROM identities i JOIN unionids o ON o.unionid = i.unionid"
    " WHERE o.user_id <> i.user_id AND i.is_added = 0 ORDER BY i.id LIMIT 1000"
)


def find(connection: Connection, appid: str, openid: str) -> Identity | None:
    """Return this identity and its user, if known, locked until the transaction ends."""
    return _one(_FIND.run(connection, appid=appid, openid=openid).one_or_none())


def find_counted(connection: Connection, appid: str, openid: str, key_hash: str) -> Identity | None:
    """Return the same, with the failures of the session_key that has this keyed hash."""
    row = _FIND_COUNTED.run(connection, appid=appid, openid=openid, key_hash=key_hash).one_or_none()
    return None if row is None else replace(_identity(tuple(row)), failures=row.failures)


def find_by_id(connection: Connection, identity_id: int) -> Identity | None:
    """Return the identity with this id and its user, unless it was removed."""
    return _one(_FIND_BY_ID.run(connection, id=identity_id).one_or_none())


def lock_by_id(connection: Connection, identity_id: int) -> Identity | None:
    """Return the same, locked until the transaction ends."""
    return _one(_LOCK_BY_ID.run(connection, id=identity_id).one_or_none())


def find_of_user(connection: Connection, user_id: int, appid: str) -> Identity | None:
    """Return the user's first identity in this app, if any."""
    return _one(_FIND_OF_USER.run(connection, user_id=user_id, appid=appid).one_or_none())


def all_of_user(connection: Connection, user_id: int) -> list[Identity]:
    """Return all identities of a user as a login needs them, oldest first."""
    return [_identity(tuple(row)) for row in _ALL_OF_USER.run(connection, user_id=user_id)]


def links(connection: Connection, user_id: int) -> list[IdentityLink]:
    """Return all identities of a user, oldest first."""
    return [_link(row) for row in _LINKS.run(connection, user_id=user_id)]


def first_openid(connection: Connection, user_id: int) -> str | None:
    """Return the openid of the user's oldest identity, if they have one."""
    found: str | None = _FIRST_OPENID.run(connection, user_id=user_id).scalar()
    return found


def owned_link(connection: Connection, appid: str, openid: str) -> tuple[int, IdentityLink] | None:
    """Return the user's id and the identity, if known. Locks nothing."""
    row = _OWNED_LINK.run(connection, appid=appid, openid=openid).one_or_none()
    return None if row is None else (row.user_id, _link(row))


def insert_if_absent(
    connection: Connection,
    *,
    appid: str,
    openid: str,
    unionid: str | None,
    user_id: int,
    session_key: str | None,
    now: int,
    is_added: bool = False,
) -> int | None:
    """Add the identity and return its id; None if it was just added by another. ``session_key`` is encrypted."""
    result = _INSERT.run_unless_taken(
        connection,
        appid=appid,
        openid=openid,
        unionid=unionid,
        user_id=user_id,
        session_key=session_key,
        is_added=int(is_added),
        now=now,
    )
    return None if result is None else int(result.lastrowid)


def replace_session_key(
    connection: Connection, identity_id: int, *, session_key: str, previous: str | None, now: int
) -> None:
    """Store a new encrypted session_key and keep the previous one, with the time of the change."""
    _REPLACE_KEY.run(connection, id=identity_id, session_key=session_key, previous=previous, now=now)


def record_login(
    connection: Connection, known: Identity, user_id: int, profile: Profile, now: int, *, session_key: str | None
) -> None:
    """Record a login of the identity's user, and store the new encrypted session_key and profile fields.

    None leaves a key or field unchanged. The user is the identity's, also if that has changed since it was read.
    """
    if session_key is None:
        users.record_login(connection, user_id, profile, now)
    elif connection.dialect.name == "sqlite":
        replace_session_key(connection, known.id, session_key=session_key, previous=known.session_key, now=now)
        users.record_login(connection, user_id, profile, now)
    else:
        _RECORD_LOGIN.run(
            connection,
            id=known.id,
            session_key=session_key,
            previous=known.session_key,
            now=now,
            nickname=profile.nickname,
            avatar_url=profile.avatar_url,
            gender=profile.gender,
        )


def reset_session_key(connection: Connection, identity_id: int, *, session_key: str, held: str | None) -> bool:
    """Replace the encrypted session_key ``held`` and drop the previous one; False if it has changed meanwhile."""
    return _RESET_KEY.run(connection, id=identity_id, session_key=session_key, held=held).rowcount == 1


def set_unionid(connection: Connection, identity_id: int, unionid: str) -> None:
    """Attach a newly known unionid to an identity."""
    _SET_UNIONID.run(connection, id=identity_id, unionid=unionid)


def find_unionid_owner(connection: Connection, unionid: str) -> User | None:
    """Return the owner of this unionid, if there is one, locked until the transaction ends."""
    row = _UNIONID_OWNER.run(connection, unionid=unionid).first()
    return None if row is None else users.from_row(tuple(row))


def claim_unionid(connection: Connection, unionid: str, user_id: int) -> bool:
    """Make this user the owner of the unionid; False if it already has an owner."""
    return _CLAIM_UNIONID.run_unless_taken(connection, unionid=unionid, user_id=user_id) is not None


def make_own(connection: Connection, identity_id: int) -> None:
    """Turn an added identity into one of the user's own."""
    _MAKE_OWN.run(connection, id=identity_id)


def move_all(connection: Connection, user_id: int, into: int) -> None:
    """Move every identity and unionid of one user to another."""
    _MOVE.run(connection, user_id=user_id, into=into)
    _MOVE_UNIONIDS.run(connection, user_id=user_id, into=into)


def delete(connection: Connection, identity_id: int, user_id: int) -> bool:
    """Remove one identity of this user, and its unionid if no other identity has it; False if it is not theirs."""
    if _DELETE_ONE.run(connection, id=identity_id, user_id=user_id).rowcount == 0:
        return False
    _DELETE_ORPHAN_UNIONIDS.run(connection, user_id=user_id)
    return True


def conflicts(connection: Connection) -> list[UserConflict]:
    """Return identities of one user with the unionid of another user, the oldest identity first."""
    return [UserConflict(*row) for row in _CONFLICTS.run(connection)]


def _one(row: Any) -> Identity | None:
    return None if row is None else _identity(tuple(row))


def _link(row: Any) -> IdentityLink:
    return IdentityLink(row.id, row.appid, row.created_at, bool(row.is_added))


def _identity(row: tuple[Any, ...]) -> Identity:
    return Identity(*(*row[:7], bool(row[7]), users.from_row(row[8:])))


def owners_of_openids(connection: Connection, appid: str, openids: Collection[str]) -> dict[str, int]:
    """Return the users of these openids in one mini program; without those that nobody has."""
    if not openids:
        return {}
    rows = _OWNERS_OF_OPENIDS.run_padded(connection, list(openids), appid=appid)
    return {row.openid: row.user_id for row in rows}


def owners_of_unionids(connection: Connection, unionids: Collection[str]) -> dict[str, int]:
    """Return the owners of these unionids; without those that nobody has."""
    if not unionids:
        return {}
    return {row.unionid: row.user_id for row in _OWNERS_OF_UNIONIDS.run_padded(connection, list(unionids))}


def people_in_app(connection: Connection, appid: str, ids: Collection[int]) -> dict[int, PersonInApp]:
    """Return the users with these ids, each with their identity in one mini program."""
    found: dict[int, PersonInApp] = {}
    for row in _IN_APP.run_padded(connection, list(ids), appid=appid) if ids else ():
        user_id, status, into_id, created_at, nickname, avatar_url, country_code, phone, openid, unionid = row
        number = None if phone is None else PhoneNumber(country_code, phone)
        found[user_id] = PersonInApp(
            user_id, status, into_id, created_at, nickname, avatar_url, number, openid, unionid
        )
    return found
