"""Queries on how often registration tickets, and the WeChat accounts that have them, were refused."""

from sqlalchemy import Connection

from authsvc.db.deletion import Deletion
from authsvc.db.statements import Statement

_VALUES = "INSERT INTO spent_tickets (ticket_id, expires_at, uses) VALUES (:ticket_id, :expires_at, 1)"
_USE = Statement(
    f"{_VALUES} ON CONFLICT (ticket_id) DO UPDATE SET"
    " uses = CASE WHEN expires_at <= :now THEN 1 ELSE uses + 1 END,"
    " expires_at = CASE WHEN expires_at <= :now THEN excluded.expires_at ELSE expires_at END",
    mysql=f"{_VALUES} ON DUPLICATE KEY UPDATE uses = IF(expires_at <= :now, 1, uses + 1),"
    " expires_at = IF(expires_at <= :now, VALUES(expires_at), expires_at)",
)
_USES = Statement("SELECT uses FROM spent_tickets WHERE ticket_id = :ticket_id")
_SPEND = Statement("UPDATE spent_tickets SET uses = :uses WHERE ticket_id = :ticket_id")
_DELETE_OLD = Deletion("spent_tickets", "expires_at < :before")


def use(connection: Connection, ticket_id: str, expires_at: int, now: int) -> int:
    """Count one use, and return the count since the row was created; an expired row starts again.

    The row stays locked until the transaction ends, so other callers wait and see the result of this use. A rollback
    undoes the count.
    """
    _USE.run(connection, ticket_id=ticket_id, expires_at=expires_at, now=now)
    return int(_USES.run(connection, ticket_id=ticket_id).scalar())


def spend(connection: Connection, ticket_id: str, uses: int) -> None:
    """Set the number of uses of a ticket that is being used."""
    _SPEND.run(connection, ticket_id=ticket_id, uses=uses)


def delete_expired(connection: Connection, before: int) -> int:
    """Delete some expired tickets; return how many, 0 if none is left."""
    return _DELETE_OLD.run(connection, before)
