"""Queries on batches of invite codes: many numbered codes for a campaign."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, text

from authsvc.db.queries import invite_codes
from authsvc.db.statements import Statement
from authsvc.values.invites import InviteBatchStats, InviteCode

_LAST = Statement(f"{invite_codes.SELECT} WHERE c.batch = :batch ORDER BY c.batch_number DESC LIMIT 1")
_PAGE = Statement(
    f"{invite_codes.SELECT} WHERE c.id > :after AND (:batch IS NULL OR c.batch = :batch)"
    " AND (:owner_id IS NULL OR c.owner_id = :owner_id) ORDER BY c.id LIMIT :at_once"
)
_COUNT = Statement(
    "SELECT COUNT(*) FROM invite_codes WHERE (:batch IS NULL OR batch = :batch)"
    " AND (:owner_id IS NULL OR owner_id = :owner_id)"
)
# A Statement does not support an expanding list.
_TAKEN = text("SELECT code FROM invite_codes WHERE code IN :codes").bindparams(bindparam("codes", expanding=True))
_INSERT = Statement(
    "INSERT INTO invite_codes (code, owner_id, max_uses, expires_at, disabled_at, batch, batch_number, created_at)"
    " VALUES (:code, :owner_id, :max_uses, :expires_at, :disabled_at, :batch, :batch_number, :created_at)"
)
_UNUSED = "owner_id IS NULL AND uses = 0 AND disabled_at IS NULL AND (expires_at IS NULL OR expires_at > :now)"
_ASSIGN = Statement(f"UPDATE invite_codes SET owner_id = :owner_id WHERE code = :code AND {_UNUSED}")
# MySQL can read from the table that it changes only through a derived table.
_ASSIGN_FIRST = Statement(
    f"UPDATE invite_codes SET owner_id = :owner_id WHERE {_UNUSED} AND id IN (SELECT id FROM"
    f" (SELECT id FROM invite_codes WHERE batch = :batch AND {_UNUSED} ORDER BY batch_number LIMIT :count) AS first)"
)
_DISABLE = Statement("UPDATE invite_codes SET disabled_at = :now WHERE code = :code AND disabled_at IS NULL")
_DISABLE_BATCH = Statement("UPDATE invite_codes SET disabled_at = :now WHERE batch = :batch AND disabled_at IS NULL")
_STATS = Statement(
    "SELECT c.batch, COUNT(*) AS codes, COUNT(c.owner_id) AS owned, SUM(c.uses) AS uses,"
    " SUM(CASE WHEN c.max_uses IS NOT NULL AND c.uses >= c.max_uses THEN 1 ELSE 0 END) AS used_up,"
    " SUM(CASE WHEN c.expires_at <= :now THEN 1 ELSE 0 END) AS expired, COUNT(c.disabled_at) AS disabled"
    " FROM invite_codes c WHERE c.id > :after AND c.id <= :up_to GROUP BY c.batch"
)
_NTH_AFTER = Statement("SELECT id FROM invite_codes WHERE id > :after ORDER BY id LIMIT 1 OFFSET :before")
_LAST_ID = 2**63 - 1


def last(connection: Connection, batch: str) -> InviteCode | None:
    """Return the code with the highest number of a batch, or None if there is no such batch."""
    row = _LAST.run(connection, batch=batch).first()
    return None if row is None else InviteCode(*row)


def page(
    connection: Connection, after: int, at_once: int, *, batch: str | None = None, owner_id: int | None = None
) -> list[InviteCode]:
    """Return up to ``at_once`` codes with ids after ``after``, in the order of their creation."""
    rows = _PAGE.run(connection, after=after, at_once=at_once, batch=batch, owner_id=owner_id)
    return [InviteCode(*row) for row in rows]


def count(connection: Connection, *, batch: str | None = None, owner_id: int | None = None) -> int:
    """Return how many codes a batch or a user has; without either, how many there are."""
    return int(_COUNT.run(connection, batch=batch, owner_id=owner_id).scalar())


def taken(connection: Connection, codes: Sequence[str]) -> set[str]:
    """Return which of these codes (at most some thousand) exist."""
    return set(connection.scalars(_TAKEN, {"codes": codes}))


def insert(connection: Connection, codes: Sequence[dict[str, Any]]) -> bool:
    """Add codes, given by column; False if a code or a number in its batch is taken: the caller must raise Restart."""
    return _INSERT.run_many_unless_taken(connection, codes)


def assign(connection: Connection, code: str, owner_id: int, now: int) -> bool:
    """Give an unused code without an owner to a user; False if it is not such a code."""
    return _ASSIGN.run(connection, code=code, owner_id=owner_id, now=now).rowcount == 1


def assign_first(connection: Connection, batch: str, count: int, owner_id: int, now: int) -> int:
    """Give a user the first ``count`` unused codes of a batch that have no owner; return how many."""
    return _ASSIGN_FIRST.run(connection, batch=batch, count=count, owner_id=owner_id, now=now).rowcount


def disable(connection: Connection, code: str, now: int) -> bool:
    """Disable a code; False if it is already disabled or does not exist."""
    return _DISABLE.run(connection, code=code, now=now).rowcount == 1


def disable_batch(connection: Connection, batch: str, now: int) -> int:
    """Disable every code of a batch; return how many were changed."""
    return _DISABLE_BATCH.run(connection, batch=batch, now=now).rowcount


def stats(connection: Connection, now: int, after: int, most: int) -> tuple[list[InviteBatchStats], int | None]:
    """Count up to ``most`` codes with ids after ``after`` by batch; those without a batch form one group.

    Returns also the id of the last one counted; None if there are no more.
    """
    up_to: int | None = _NTH_AFTER.run(connection, after=after, before=most - 1).scalar()
    rows = _STATS.run(connection, now=now, after=after, up_to=_LAST_ID if up_to is None else up_to)
    return [InviteBatchStats(row[0], *map(int, row[1:])) for row in rows], up_to
