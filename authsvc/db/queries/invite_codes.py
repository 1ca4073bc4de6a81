"""Queries on invite codes and on who came with them."""

import heapq
from typing import Any

from sqlalchemy import Connection

from authsvc.db.statements import Statement
from authsvc.values.invites import InviteCode

SELECT = (
    "SELECT c.id, c.code, c.owner_id, c.max_uses, c.uses, c.expires_at, c.disabled_at, c.created_at,"
    " u.status AS owner_status, c.batch, c.batch_number FROM invite_codes c LEFT JOIN users u ON u.id = c.owner_id"
)
_FIND = Statement(f"{SELECT} WHERE c.code = :code")
_FIND_OWN = Statement(
    f"{SELECT} WHERE c.owner_id = :owner_id AND c.is_own = 1 AND (c.expires_at IS NULL OR c.expires_at > :now)"
)
_INSERT_OWN = Statement(
    "INSERT INTO invite_codes (code, owner_id, is_own, max_uses, uses, expires_at, created_at)"
    " VALUES (:code, :owner_id, 1, :max_uses, 0, :expires_at, :now)"
)
_RETIRE_OWN = Statement(
    "UPDATE invite_codes SET is_own = NULL WHERE owner_id = :owner_id AND is_own = 1 AND expires_at <= :now"
)
_FREE = (
    "owner_id IS NULL AND is_own IS NULL AND uses = 0 AND disabled_at IS NULL"
    " AND (expires_at IS NULL OR expires_at > :now) ORDER BY id LIMIT 1"
)
_CLAIM = Statement(
    f"UPDATE invite_codes SET owner_id = :owner_id, is_own = 1 WHERE id = (SELECT id FROM invite_codes WHERE {_FREE})",
    mysql=f"UPDATE invite_codes SET owner_id = :owner_id, is_own = 1 WHERE {_FREE}",
)
_USE_SQL = "UPDATE invite_codes SET uses = uses + 1 WHERE id = :id AND owner_id {same} :owner_id" + (
    " AND disabled_at IS NULL AND (expires_at IS NULL OR expires_at > :now) AND (max_uses IS NULL OR uses < max_uses)"
)
_USE = Statement(_USE_SQL.format(same="IS"), mysql=_USE_SQL.format(same="<=>"))
_RECORD_USE = Statement(
    "INSERT INTO invite_uses (invite_code_id, user_id, used_at) VALUES (:invite_code_id, :user_id, :now)"
)
_SET_INVITER = Statement("UPDATE users SET invited_by_id = :inviter_id WHERE id = :id")
_INVITED_AT = Statement("SELECT used_at FROM invite_uses WHERE user_id = :user_id")
_INVITER_SQL = "SELECT invited_by_id FROM users WHERE id = :id"
_INVITER = Statement(_INVITER_SQL)
_LOCK_INVITER = Statement(_INVITER_SQL, mysql=f"{_INVITER_SQL} FOR UPDATE")
_COUNT_CODES = Statement("SELECT COUNT(*) FROM invite_codes WHERE owner_id = :owner_id")
_COUNT_GUESTS = Statement("SELECT COUNT(*) FROM users WHERE invited_by_id = :user_id")
_HAS_INVITES = Statement(
    "SELECT 1 FROM invite_uses WHERE user_id = :user_id UNION ALL SELECT 1 FROM users WHERE invited_by_id = :user_id"
    " LIMIT 1"
)
# ``uses`` stores the number of a code's rows, because counting 200,000 rows took 18 ms.
_COUNT_ARRIVALS = Statement("SELECT SUM(uses) FROM invite_codes WHERE owner_id = :owner_id")
_USED_CODES = Statement(
    "SELECT id FROM invite_codes WHERE owner_id = :owner_id AND uses > 0 ORDER BY id LIMIT :at_most"
)
_LATEST_OF_CODE = Statement(
    "SELECT id, used_at FROM invite_uses WHERE invite_code_id = :code_id ORDER BY id DESC LIMIT :count"
)
_LATEST = Statement(
    "SELECT u.id, u.used_at FROM invite_uses u JOIN invite_codes c ON c.id = u.invite_code_id"
    " WHERE c.owner_id = :owner_id ORDER BY u.id DESC LIMIT :count"
)
_NTH_NEWEST_USE = Statement(
    "SELECT used_at FROM invite_uses WHERE used_at >= :since ORDER BY used_at DESC LIMIT 1 OFFSET :most"
)
# Reads the uses of the time from their index, and the batch of each by its id.
_USED_BY_DAY_SQL = (
    "SELECT (u.used_at + :ahead) {div} 86400 AS day, COUNT(*) AS uses FROM invite_uses u"
    " {join} invite_codes c ON c.id = u.invite_code_id WHERE u.used_at >= :since"
    " AND (:batch IS NULL OR c.batch = :batch) GROUP BY day"
)
_USED_BY_DAY = Statement(
    _USED_BY_DAY_SQL.format(div="/", join="CROSS JOIN"),
    mysql=_USED_BY_DAY_SQL.format(div="DIV", join="STRAIGHT_JOIN"),
)
# For up to this many codes, each is read by its index from the end; for more, all their uses are sorted.
_FEW_CODES = 20
_NO_LONGER_OWN = Statement("UPDATE invite_codes SET is_own = NULL WHERE owner_id = :owner_id")
_MOVE = Statement("UPDATE invite_codes SET owner_id = :into WHERE owner_id = :owner_id")
_RETIRE_ALL = Statement(
    "UPDATE invite_codes SET owner_id = NULL, is_own = NULL, disabled_at = COALESCE(disabled_at, :now)"
    " WHERE owner_id = :user_id"
)
_MOVE_USE = Statement("UPDATE invite_uses SET user_id = :into WHERE user_id = :user_id")
_MOVE_GUESTS = Statement("UPDATE users SET invited_by_id = :into WHERE invited_by_id = :user_id")
_FORGET_GUEST = Statement("UPDATE invite_uses SET user_id = NULL WHERE user_id = :user_id")
_FORGET_INVITER = Statement("UPDATE users SET invited_by_id = NULL WHERE invited_by_id = :user_id")


def find(connection: Connection, code: str) -> InviteCode | None:
    """Return this code, if it exists; codes are case-sensitive."""
    return _one(_FIND.run(connection, code=code).first())


def find_own(connection: Connection, owner_id: int, now: int) -> InviteCode | None:
    """Return the user's own code, unless it has expired."""
    return _one(_FIND_OWN.run(connection, owner_id=owner_id, now=now).first())


def insert_own(
    connection: Connection, code: str, owner_id: int, *, max_uses: int | None, expires_at: int | None, now: int
) -> bool:
    """Create the user's own code; False if they already have one, or if this code exists."""
    values = {"code": code, "owner_id": owner_id, "max_uses": max_uses, "expires_at": expires_at, "now": now}
    return _INSERT_OWN.run_unless_taken(connection, **values) is not None


def retire_own(connection: Connection, owner_id: int, now: int) -> None:
    """Make room for a new own code if the user's has expired; the old code still belongs to them."""
    _RETIRE_OWN.run(connection, owner_id=owner_id, now=now)


def claim_from_pool(connection: Connection, owner_id: int, now: int) -> bool:
    """Turn an unused code without an owner into the user's own code.

    False if there is none, or if the user already has one.
    """
    claimed = _CLAIM.run_unless_taken(connection, owner_id=owner_id, now=now)
    return claimed is not None and claimed.rowcount == 1


def use(connection: Connection, code: InviteCode, user_id: int, now: int) -> bool:
    """Record that this user came with the code, and through its owner.

    False if the code is no longer valid, its owner has changed, or the user came with a code before. The transaction
    must then be undone.
    """
    if _USE.run(connection, id=code.id, owner_id=code.owner_id, now=now).rowcount == 0:
        return False
    if _RECORD_USE.run_unless_taken(connection, invite_code_id=code.id, user_id=user_id, now=now) is None:
        return False
    if code.owner_id is not None:
        set_inviter(connection, user_id, code.owner_id)
    return True


def set_inviter(connection: Connection, user_id: int, inviter_id: int | None) -> None:
    """Set the user's inviter; None if it is unknown."""
    _SET_INVITER.run(connection, id=user_id, inviter_id=inviter_id)


def move_use(connection: Connection, user_id: int, into: int) -> None:
    """Move a use to another user, who has none."""
    _MOVE_USE.run(connection, user_id=user_id, into=into)


def move_guests(connection: Connection, user_id: int, into: int) -> None:
    """Set another inviter for everybody who came through one user."""
    _MOVE_GUESTS.run(connection, user_id=user_id, into=into)


def forget_guest(connection: Connection, user_id: int) -> None:
    """Remove the user from a use, which still counts."""
    _FORGET_GUEST.run(connection, user_id=user_id)


def invited_at(connection: Connection, user_id: int) -> int | None:
    """Return when the user came with somebody's code (seconds UTC), if ever."""
    found: int | None = _INVITED_AT.run(connection, user_id=user_id).scalar()
    return found


def lock_inviter(connection: Connection, user_id: int) -> int | None:
    """Return the user's inviter, if any, locked until the transaction ends."""
    found: int | None = _LOCK_INVITER.run(connection, id=user_id).scalar()
    return found


def inviter(connection: Connection, user_id: int) -> int | None:
    """Return the user's inviter, if any. Locks nothing."""
    found: int | None = _INVITER.run(connection, id=user_id).scalar()
    return found


def count_codes(connection: Connection, owner_id: int) -> int:
    """Return how many codes this user owns."""
    return int(_COUNT_CODES.run(connection, owner_id=owner_id).scalar())


def count_guests(connection: Connection, user_id: int) -> int:
    """Return how many people came through this user and still are here."""
    return int(_COUNT_GUESTS.run(connection, user_id=user_id).scalar())


def has_invites(connection: Connection, user_id: int) -> bool:
    """True if the user came with a code, or somebody came through them."""
    return _HAS_INVITES.run(connection, user_id=user_id).first() is not None


def count_arrivals(connection: Connection, owner_id: int) -> int:
    """Return how many came with the codes of this owner."""
    return int(_COUNT_ARRIVALS.run(connection, owner_id=owner_id).scalar() or 0)


def latest_arrivals(connection: Connection, owner_id: int, count: int) -> list[int]:
    """Return when the last ``count`` of them came (seconds UTC), latest first."""
    codes = [row.id for row in _USED_CODES.run(connection, owner_id=owner_id, at_most=_FEW_CODES + 1)]
    if len(codes) > _FEW_CODES:
        return [row.used_at for row in _LATEST.run(connection, owner_id=owner_id, count=count)]
    found = [row for code_id in codes for row in _LATEST_OF_CODE.run(connection, code_id=code_id, count=count)]
    return [row.used_at for row in heapq.nlargest(count, found, key=lambda row: row.id)]


def move_codes(connection: Connection, owner_id: int, into: int) -> None:
    """Move every code of one user to another, who keeps their own code."""
    if _MOVE.run_unless_taken(connection, owner_id=owner_id, into=into) is None:
        _NO_LONGER_OWN.run(connection, owner_id=owner_id)
        _MOVE.run(connection, owner_id=owner_id, into=into)


def forget_user(connection: Connection, user_id: int, now: int) -> None:
    """Remove a user: their codes are disabled and lose their owner, and their use of a code stays without them."""
    _RETIRE_ALL.run(connection, user_id=user_id, now=now)
    forget_guest(connection, user_id)
    _FORGET_INVITER.run(connection, user_id=user_id)


def nth_newest_use(connection: Connection, since: int, most: int) -> int | None:
    """Return the time of the use before the ``most`` newest ones; None if there were fewer since that time."""
    found: int | None = _NTH_NEWEST_USE.run(connection, since=since, most=most).scalar()
    return found


def used_by_day(connection: Connection, since: int, ahead: int, batch: str | None = None) -> dict[int, int]:
    """Return how many people came on each day since that time with a code of the batch, or with any.

    Days count as in ``users.created_by_day``.
    """
    return {int(row.day): row.uses for row in _USED_BY_DAY.run(connection, since=since, ahead=ahead, batch=batch)}


def _one(row: Any) -> InviteCode | None:
    return None if row is None else InviteCode(*row)
