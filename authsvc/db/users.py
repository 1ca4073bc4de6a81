"""Queries on users."""

from typing import Any

from sqlalchemy import Connection

from authsvc.db.statements import Statement
from authsvc.types import PhoneNumber, Profile, User

# The columns that from_row() reads, for every query that brings a user along.
COLUMNS = (
    "u.id, u.status, u.nickname, u.avatar_url, u.gender, u.token_version, u.created_at,"
    " u.country_code, u.phone, u.claimed_phone"
)

_INSERT = Statement(
    "INSERT INTO users (nickname, avatar_url, gender, status, token_version, created_at, updated_at,"
    " last_login_at) VALUES (:nickname, :avatar_url, :gender, 'active', 0, :now, :now, :now)"
)
_FIND_SQL = f"SELECT {COLUMNS} FROM users u WHERE u.id = :id"
_FIND = Statement(_FIND_SQL)
# Whoever decides by what a user is locks the row, where the database has row locks; SQLite's writers are alone anyway.
_LOCK = Statement(_FIND_SQL, mysql=f"{_FIND_SQL} FOR UPDATE")
_IS_ACTIVE = Statement("SELECT 1 FROM users WHERE id = :id AND status = 'active'")
_BY_PHONE_SQL = f"SELECT {COLUMNS} FROM users u WHERE u.country_code = :country_code AND u.phone = :phone"
_FIND_BY_PHONE = Statement(_BY_PHONE_SQL, mysql=f"{_BY_PHONE_SQL} FOR UPDATE")
_RECORD_LOGIN = Statement(
    "UPDATE users SET last_login_at = :now, nickname = COALESCE(:nickname, nickname),"
    " avatar_url = COALESCE(:avatar_url, avatar_url), gender = COALESCE(:gender, gender) WHERE id = :id"
)
_SET_PROFILE = Statement(
    "UPDATE users SET nickname = :nickname, avatar_url = :avatar_url, gender = :gender, updated_at = :now"
    " WHERE id = :id"
)
_SET_PHONE = Statement(
    "UPDATE users SET country_code = :country_code, phone = :phone, claimed_phone = NULL, updated_at = :now"
    " WHERE id = :id"
)
_CLEAR_PHONE = Statement(
    "UPDATE users SET country_code = NULL, phone = NULL, updated_at = :now WHERE id = :id AND phone IS NOT NULL"
)
_DROP_CLAIMS = Statement("UPDATE users SET claimed_phone = NULL WHERE claimed_phone = :claimed AND id <> :id")
_CLAIM_PHONE = Statement("UPDATE users SET claimed_phone = :claimed WHERE id = :id")
_IS_KNOWN_PHONE = Statement(
    "SELECT 1 FROM users WHERE (country_code = :country_code AND phone = :phone) OR claimed_phone = :claimed LIMIT 1"
)
_END_EVERYTHING = Statement("UPDATE users SET token_version = token_version + 1 WHERE id = :id")
_MERGE = Statement(
    "UPDATE users SET status = 'closed', merged_into_id = :into, claimed_phone = NULL, updated_at = :now,"
    " token_version = token_version + 1 WHERE id = :id"
)
_CLOSE = Statement(
    "UPDATE users SET status = 'closed', closed_at = :now, updated_at = :now, token_version = token_version + 1"
    " WHERE id = :id AND status = 'active'"
)
_REOPEN = Statement(
    "UPDATE users SET status = 'active', closed_at = NULL, updated_at = :now"
    " WHERE id = :id AND status = 'closed' AND closed_at > :since"
)
_DUE = Statement(
    "SELECT id, avatar_url FROM users WHERE status = 'closed' AND closed_at <= :before ORDER BY id LIMIT 500"
)
_DELETE = Statement("DELETE FROM users WHERE id = :id")


def from_row(row: tuple[Any, ...]) -> User:
    """Make a user of the values of COLUMNS, in that order."""
    phone = PhoneNumber(row[7], row[8]) if row[8] is not None else None
    return User(row[0], row[1], Profile(row[2], row[3], row[4]), row[5], row[6], phone, row[9])


def insert(connection: Connection, profile: Profile, now: int) -> User:
    """Make an active user."""
    result = _INSERT.run(
        connection, nickname=profile.nickname, avatar_url=profile.avatar_url, gender=profile.gender, now=now
    )
    return User(int(result.lastrowid), "active", profile, token_version=0, created_at=now)


def get(connection: Connection, user_id: int) -> User:
    """Return the user with this id, which must exist."""
    return from_row(tuple(_FIND.run(connection, id=user_id).one()))


def is_active(connection: Connection, user_id: int) -> bool:
    """True when there is such a user, neither disabled nor closed."""
    return _IS_ACTIVE.run(connection, id=user_id).first() is not None


def find_by_phone(connection: Connection, phone: PhoneNumber) -> User | None:
    """Return whose verified phone this is, if anybody's; nobody else changes them until the transaction ends."""
    row = _FIND_BY_PHONE.run(connection, country_code=phone.country_code, phone=phone.national).first()
    return None if row is None else from_row(tuple(row))


def lock(connection: Connection, user_id: int) -> User:
    """Return the user with this id, which must exist; nobody else changes them until the transaction ends."""
    return from_row(tuple(_LOCK.run(connection, id=user_id).one()))


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


def set_profile(connection: Connection, user_id: int, profile: Profile, now: int) -> None:
    """Store exactly this profile."""
    _SET_PROFILE.run(
        connection,
        id=user_id,
        now=now,
        nickname=profile.nickname,
        avatar_url=profile.avatar_url,
        gender=profile.gender,
    )


def set_phone(connection: Connection, user_id: int, phone: PhoneNumber, now: int) -> bool:
    """Make the number this user's verified one and end others' mere claims to it; False when it is taken."""
    values = {"country_code": phone.country_code, "phone": phone.national}
    if _SET_PHONE.run_unless_taken(connection, id=user_id, now=now, **values) is None:
        return False
    _DROP_CLAIMS.run(connection, id=user_id, claimed=phone.e164)
    return True


def clear_phone(connection: Connection, user_id: int, now: int) -> bool:
    """Remove the verified number; False when there was none."""
    return _CLEAR_PHONE.run(connection, id=user_id, now=now).rowcount == 1


def claim_phone(connection: Connection, user_id: int, phone: PhoneNumber) -> bool:
    """Note a number that the user merely typed in; False when somebody else already claims it."""
    return _CLAIM_PHONE.run_unless_taken(connection, id=user_id, claimed=phone.e164) is not None


def is_known_phone(connection: Connection, phone: PhoneNumber) -> bool:
    """True when somebody has this number, verified or claimed."""
    known = _IS_KNOWN_PHONE.run(connection, country_code=phone.country_code, phone=phone.national, claimed=phone.e164)
    return known.first() is not None


def end_everything(connection: Connection, user_id: int) -> None:
    """Make every session and token of the user so far worthless."""
    _END_EVERYTHING.run(connection, id=user_id)


def merge(connection: Connection, user_id: int, into: int, now: int) -> None:
    """Close a user who turned out to be another; the row stays as a trace."""
    _MERGE.run(connection, id=user_id, into=into, now=now)


def close(connection: Connection, user_id: int, now: int) -> bool:
    """Begin the cooling-off period of an active user; False for any other."""
    return _CLOSE.run(connection, id=user_id, now=now).rowcount == 1


def reopen(connection: Connection, user_id: int, *, since: int, now: int) -> bool:
    """Undo a closing that began after ``since``; False when there is none."""
    return _REOPEN.run(connection, id=user_id, since=since, now=now).rowcount == 1


def due_for_erasure(connection: Connection, before: int) -> list[tuple[int, str | None]]:
    """Return up to 500 (id, avatar address) of users whose closing began before then."""
    return [(row.id, row.avatar_url) for row in _DUE.run(connection, before=before)]


def delete(connection: Connection, user_id: int) -> None:
    """Delete the row of a user that nothing refers to any more."""
    _DELETE.run(connection, id=user_id)
