"""Queries on users."""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Connection

from authsvc.db.queries import not_before_marks
from authsvc.db.statements import ListStatement, Rows, Statement
from authsvc.errors import AccountClosed
from authsvc.values.operator import UserSummary
from authsvc.values.people import PhoneNumber, Profile, User

# The columns that from_row() reads, for every query that returns a user.
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
# A decision about a user locks the row, if the database has row locks; SQLite has only one writer anyway.
_LOCK = Statement(_FIND_SQL, mysql=f"{_FIND_SQL} FOR UPDATE")
_IS_MERGED = Statement("SELECT 1 FROM users WHERE id = :id AND merged_into_id IS NOT NULL")
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
_OWNERS_OF_PHONES = ListStatement(
    "SELECT phone, id FROM users WHERE country_code = :country_code AND phone IN ({listed})"
)
_HAS_OWNER = Statement("SELECT 1 FROM users WHERE country_code = :country_code AND phone = :phone")
_END_EVERYTHING = Statement("UPDATE users SET token_version = token_version + 1 WHERE id = :id")
_MERGE = Statement(
    "UPDATE users SET status = 'closed', merged_into_id = :into, country_code = NULL, phone = NULL,"
    " claimed_phone = NULL, updated_at = :now, token_version = token_version + 1 WHERE id = :id"
)
_MERGE_FORMER = Statement("UPDATE users SET merged_into_id = :into WHERE merged_into_id = :id")
_CLOSE = Statement(
    "UPDATE users SET status = 'closed', closed_at = :now, updated_at = :now, token_version = token_version + 1"
    " WHERE id = :id AND status = 'active'"
)
_REOPEN = Statement(
    "UPDATE users SET status = 'active', closed_at = NULL, updated_at = :now"
    " WHERE id = :id AND status = 'closed' AND closed_at > :since"
)
# For a closed account, ``closed_at`` stays: it is erased as requested, and cannot be reopened.
_DISABLE = Statement(
    "UPDATE users SET status = 'disabled', updated_at = :now, token_version = token_version + 1"
    " WHERE id = :id AND status IN ('active', 'closed') AND merged_into_id IS NULL"
)
_ENABLE = Statement(
    "UPDATE users SET status = CASE WHEN closed_at IS NULL THEN 'active' ELSE 'closed' END, updated_at = :now"
    " WHERE id = :id AND status = 'disabled'"
)
_FORGET_PHONE = Statement(
    "UPDATE users SET country_code = NULL, phone = NULL, claimed_phone = NULL, updated_at = :now"
    " WHERE id = :id AND (phone IS NOT NULL OR claimed_phone IS NOT NULL)"
)
_DUE = Statement(
    "SELECT id FROM users WHERE closed_at <= :before AND status IN ('closed', 'disabled') ORDER BY id LIMIT 500"
)
# Earlier than any closing, so it cannot be undone, and a purge finds it if the erasure is interrupted. A disabled user
# stays disabled until then, because a ban outlives the account.
_CONDEMN_SQL = (
    "UPDATE users SET status = CASE WHEN status = 'disabled' THEN status ELSE 'closed' END, closed_at = 0,"
    " updated_at = :now, token_version = token_version + 1 WHERE id = :id AND merged_into_id IS NULL"
)
_CONDEMN = Statement(_CONDEMN_SQL)
_CONDEMN_DUE = Statement(f"{_CONDEMN_SQL} AND closed_at <= :before AND status IN ('closed', 'disabled')")
_SAME_PERSON = Statement("SELECT id, avatar_url FROM users WHERE id = :id OR merged_into_id = :id ORDER BY id")
_SUMMARY = (
    "SELECT id, status, nickname, country_code, phone, claimed_phone, created_at, last_login_at, closed_at,"
    " merged_into_id FROM users"
)
_BY_ID = Statement(f"{_SUMMARY} WHERE id = :id")
_BY_ANY_PHONE = Statement(
    f"{_SUMMARY} WHERE (country_code = :country_code AND phone = :phone) OR claimed_phone = :claimed ORDER BY id"
)
_BY_OPENID = Statement(
    f"{_SUMMARY} WHERE id IN (SELECT user_id FROM identities WHERE openid = :openid) ORDER BY id LIMIT 100"
)
# The first day from which no more rows than these are read; the index over creation answers both statements.
_NTH_NEWEST = Statement(
    "SELECT created_at FROM users WHERE created_at >= :since ORDER BY created_at DESC LIMIT 1 OFFSET :most"
)
_CREATED_BY_DAY_SQL = (
    "SELECT (created_at + :ahead) {div} 86400 AS day, COUNT(*) AS people FROM users"
    " WHERE created_at >= :since GROUP BY day"
)
_CREATED_BY_DAY = Statement(_CREATED_BY_DAY_SQL.format(div="/"), mysql=_CREATED_BY_DAY_SQL.format(div="DIV"))
# Read from the two indexes over numbers. A derived table: MariaDB would ask an IN (… UNION …) again for each user.
_BY_LAST_DIGITS = Statement(
    f"{_SUMMARY} JOIN (SELECT id AS found FROM users WHERE phone LIKE :pattern"
    " UNION SELECT id FROM users WHERE claimed_phone LIKE :pattern) AS ending ON id = ending.found"
    " ORDER BY id DESC LIMIT 100"
)
_BY_OPENID_IN = ListStatement(
    f"{_SUMMARY} WHERE id IN (SELECT user_id FROM identities WHERE appid IN ({{listed}}) AND openid = :openid)"
    " ORDER BY id LIMIT 100"
)
_BY_NICKNAME = Statement(f"{_SUMMARY} WHERE nickname LIKE :pattern ESCAPE '!' ORDER BY id LIMIT 100")


def from_row(row: tuple[Any, ...]) -> User:
    """Create a user from the values of COLUMNS, in that order."""
    phone = PhoneNumber(row[7], row[8]) if row[8] is not None else None
    return User(row[0], row[1], Profile(row[2], row[3], row[4]), row[5], row[6], phone, row[9])


def insert(connection: Connection, profile: Profile, now: int) -> User:
    """Create an active user."""
    result = _INSERT.run(
        connection, nickname=profile.nickname, avatar_url=profile.avatar_url, gender=profile.gender, now=now
    )
    return User(int(result.lastrowid), "active", profile, token_version=0, created_at=now)


def get(connection: Connection, user_id: int) -> User:
    """Return the user with this id, which must exist."""
    return from_row(tuple(_FIND.run(connection, id=user_id).one()))


def is_active(connection: Connection, user_id: int) -> bool:
    """True if the user exists and is neither disabled nor closed."""
    return _IS_ACTIVE.run(connection, id=user_id).first() is not None


def is_merged(connection: Connection, user_id: int) -> bool:
    """True if the user was merged into another."""
    return _IS_MERGED.run(connection, id=user_id).first() is not None


def same_person(connection: Connection, user_id: int) -> list[tuple[int, str | None]]:
    """Return (id, avatar address) of this user and of all users merged into it; empty if there is no such user."""
    return [(row.id, row.avatar_url) for row in _SAME_PERSON.run(connection, id=user_id)]


def summary(connection: Connection, user_id: int) -> UserSummary | None:
    """Return the operator's view of this user."""
    found = _summaries(_BY_ID.run(connection, id=user_id))
    return found[0] if found else None


def with_phone(connection: Connection, phone: PhoneNumber) -> list[UserSummary]:
    """Return the users with this number, verified or claimed."""
    values = {"country_code": phone.country_code, "phone": phone.national, "claimed": phone.e164}
    return _summaries(_BY_ANY_PHONE.run(connection, **values))


def with_openid(connection: Connection, openid: str) -> list[UserSummary]:
    """Return the users with this openid in any app. Reads every identity."""
    return _summaries(_BY_OPENID.run(connection, openid=openid))


def with_openid_in(connection: Connection, appids: Sequence[str], openid: str) -> list[UserSummary]:
    """Return the users with this openid in one of these apps."""
    return _summaries(_BY_OPENID_IN.run(connection, appids, openid=openid))


def with_last_digits(connection: Connection, digits: str) -> list[UserSummary]:
    """Return up to 100 users, latest first, whose number, verified or claimed, ends with these digits.

    Reads every number.
    """
    return _summaries(_BY_LAST_DIGITS.run(connection, pattern=f"%{digits}"))


def named(connection: Connection, prefix: str) -> list[UserSummary]:
    """Return up to 100 users whose nickname has this beginning, ignoring case. Reads every user."""
    literally = prefix.replace("!", "!!").replace("%", "!%").replace("_", "!_")
    return _summaries(_BY_NICKNAME.run(connection, pattern=f"{literally}%"))


def nth_newest(connection: Connection, since: int, most: int) -> int | None:
    """Return when the user before the ``most`` newest ones was created; None if fewer were created since that time."""
    found: int | None = _NTH_NEWEST.run(connection, since=since, most=most).scalar()
    return found


def created_by_day(connection: Connection, since: int, ahead: int) -> dict[int, int]:
    """Return how many users were created on each day since that time (seconds UTC), by days since 1970.

    ``ahead`` is how many seconds the days begin before those of UTC; days without are left out.
    """
    return {int(row.day): row.people for row in _CREATED_BY_DAY.run(connection, since=since, ahead=ahead)}


def _summaries(rows: Rows) -> list[UserSummary]:
    return [
        UserSummary(
            id=row.id,
            status=row.status,
            nickname=row.nickname,
            phone=None if row.phone is None else PhoneNumber(row.country_code, row.phone).e164,
            claimed_phone=row.claimed_phone,
            created_at=row.created_at,
            last_login_at=row.last_login_at,
            closed_at=row.closed_at,
            merged_into_id=row.merged_into_id,
        )
        for row in rows
    ]


def find_by_phone(connection: Connection, phone: PhoneNumber) -> User | None:
    """Return the owner of this verified phone, if there is one, locked until the transaction ends."""
    row = _FIND_BY_PHONE.run(connection, country_code=phone.country_code, phone=phone.national).first()
    return None if row is None else from_row(tuple(row))


def lock(connection: Connection, user_id: int) -> User:
    """Return the user with this id, locked until the transaction ends.

    Raises AccountClosed if the user was erased meanwhile.
    """
    row = _LOCK.run(connection, id=user_id).first()
    if row is None:
        raise AccountClosed(f"there is no user {user_id} any more")
    return from_row(tuple(row))


def record_login(connection: Connection, user_id: int, profile: Profile, now: int) -> None:
    """Record a login, and store the new profile fields; ``None`` leaves a field unchanged."""
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
    """Make the number this user's verified one and end other users' claims to it; False if it is taken."""
    values = {"country_code": phone.country_code, "phone": phone.national}
    if _SET_PHONE.run_unless_taken(connection, id=user_id, now=now, **values) is None:
        return False
    _DROP_CLAIMS.run(connection, id=user_id, claimed=phone.e164)
    return True


def clear_phone(connection: Connection, user_id: int, now: int) -> bool:
    """Remove the verified number; False if there was none."""
    return _CLEAR_PHONE.run(connection, id=user_id, now=now).rowcount == 1


def claim_phone(connection: Connection, user_id: int, phone: PhoneNumber) -> None:
    """Store a number that the user only typed in; others may have typed in the same."""
    _CLAIM_PHONE.run(connection, id=user_id, claimed=phone.e164)


def has_owner(connection: Connection, phone: PhoneNumber) -> bool:
    """True if this is somebody's verified number."""
    return _HAS_OWNER.run(connection, country_code=phone.country_code, phone=phone.national).first() is not None


def end_everything(connection: Connection, user_id: int, now: int) -> None:
    """Make all existing sessions and tokens of the user invalid."""
    _END_EVERYTHING.run(connection, id=user_id)
    not_before_marks.mark(connection, user_id, now)


def merge(connection: Connection, user_id: int, into: int, now: int) -> None:
    """Close a user that was merged into another; the row stays as a trace, without a phone."""
    _MERGE.run(connection, id=user_id, into=into, now=now)
    _MERGE_FORMER.run(connection, id=user_id, into=into)
    not_before_marks.mark(connection, user_id, now)


def close(connection: Connection, user_id: int, now: int) -> bool:
    """Begin the cooling-off period of an active user; False for any other."""
    return _is_out(connection, _CLOSE.run(connection, id=user_id, now=now), user_id, now)


def reopen(connection: Connection, user_id: int, *, since: int, now: int) -> bool:
    """Undo a closing that began after ``since``; False if there is none."""
    return _REOPEN.run(connection, id=user_id, since=since, now=now).rowcount == 1


def disable(connection: Connection, user_id: int, now: int) -> bool:
    """Disable a user and invalidate their tokens; False if already disabled or merged into another."""
    return _is_out(connection, _DISABLE.run(connection, id=user_id, now=now), user_id, now)


def enable(connection: Connection, user_id: int, now: int) -> bool:
    """Enable a user; False if not disabled. An account that was closed before is closed again."""
    return _ENABLE.run(connection, id=user_id, now=now).rowcount == 1


def forget_phone(connection: Connection, user_id: int, now: int) -> bool:
    """Remove the number, verified or claimed; False if there was none."""
    return _FORGET_PHONE.run(connection, id=user_id, now=now).rowcount == 1


def due_for_erasure(connection: Connection, before: int) -> list[int]:
    """Return up to 500 users whose closing began before that time."""
    return [row.id for row in _DUE.run(connection, before=before)]


def condemn(connection: Connection, user_id: int, now: int, *, closed_before: int | None = None) -> bool:
    """Close an account irrevocably before its erasure; False if there is none, or it was merged into another.

    With ``closed_before``, only if its closing began before that time and was not undone.
    """
    if closed_before is None:
        condemned = _CONDEMN.run(connection, id=user_id, now=now)
    else:
        condemned = _CONDEMN_DUE.run(connection, id=user_id, now=now, before=closed_before)
    return _is_out(connection, condemned, user_id, now)


def _is_out(connection: Connection, changed: Rows, user_id: int, now: int) -> bool:
    """True if the user changed, and then mark their tokens as invalid for verifiers."""
    if changed.rowcount != 1:
        return False
    not_before_marks.mark(connection, user_id, now)
    return True


def owners_of_phones(connection: Connection, country_code: str, nationals: Collection[str]) -> dict[str, int]:
    """Return the owners of these verified numbers of one country; without those that nobody has."""
    rows = _OWNERS_OF_PHONES.run_padded(connection, list(nationals), country_code=country_code)
    return {row.phone: row.id for row in rows}
