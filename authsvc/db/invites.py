"""Queries on invite codes and on who came with them."""

from typing import Any

from sqlalchemy import Connection

from authsvc.db.statements import Statement
from authsvc.types import InviteCode

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


def find(connection: Connection, code: str) -> InviteCode | None:
    """Return this code, if there is such a one; case counts."""
    return _one(_FIND.run(connection, code=code).first())


def find_own(connection: Connection, owner_id: int, now: int) -> InviteCode | None:
    """Return the code that the user hands out, unless it has expired."""
    return _one(_FIND_OWN.run(connection, owner_id=owner_id, now=now).first())


def insert_own(
    connection: Connection, code: str, owner_id: int, *, max_uses: int | None, expires_at: int | None, now: int
) -> bool:
    """Make the code that the user hands out; False when they have one already, or somebody has this code."""
    values = {"code": code, "owner_id": owner_id, "max_uses": max_uses, "expires_at": expires_at, "now": now}
    return _INSERT_OWN.run_unless_taken(connection, **values) is not None


def retire_own(connection: Connection, owner_id: int, now: int) -> None:
    """Make room for a new own code when the user's has expired; the old one stays theirs."""
    _RETIRE_OWN.run(connection, owner_id=owner_id, now=now)


def claim_from_pool(connection: Connection, owner_id: int, now: int) -> bool:
    """Make an unused code without an owner the one that the user hands out.

    False when there is none, or when the user has one already.
    """
    claimed = _CLAIM.run_unless_taken(connection, owner_id=owner_id, now=now)
    return claimed is not None and claimed.rowcount == 1


def _one(row: Any) -> InviteCode | None:
    return None if row is None else InviteCode(*row)
