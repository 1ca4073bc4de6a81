"""Queries on registration tickets that were used."""

from sqlalchemy import Connection

from authsvc.db.deletion import Deletion
from authsvc.db.statements import Statement

_SPEND = Statement("INSERT INTO spent_tickets (ticket_id, expires_at) VALUES (:ticket_id, :expires_at)")
_DELETE_OLD = Deletion("spent_tickets", "expires_at < :before")


def spend(connection: Connection, ticket_id: str, expires_at: int) -> bool:
    """Use a ticket up; False when it was used before."""
    return _SPEND.run_unless_taken(connection, ticket_id=ticket_id, expires_at=expires_at) is not None


def delete_expired(connection: Connection, before: int) -> int:
    """Forget some used tickets that have expired anyway; return how many, 0 when none is left."""
    return _DELETE_OLD.run(connection, before)
