"""Queries on receipts of pushes that were acted on, stored as keyed hashes."""

from collections.abc import Sequence

from sqlalchemy import Connection

from authsvc.db.deletion import Deletion
from authsvc.db.statements import Statement

_FIND = Statement("SELECT 1 FROM push_receipts WHERE receipt = :receipt")
_ADD = Statement(
    "INSERT INTO push_receipts (receipt, received_at) VALUES (:receipt, :now) ON CONFLICT (receipt) DO NOTHING",
    mysql="INSERT INTO push_receipts (receipt, received_at) VALUES (:receipt, :now)"
    " ON DUPLICATE KEY UPDATE receipt = receipt",
)
_DELETE = Deletion("push_receipts", "received_at < :before")


def has_any(connection: Connection, receipts: Sequence[str]) -> bool:
    """Tell whether any of these exists."""
    return any(_FIND.run(connection, receipt=receipt).first() is not None for receipt in receipts)


def add(connection: Connection, receipts: Sequence[str], now: int) -> None:
    """Store these; existing ones do not change."""
    for receipt in receipts:
        _ADD.run(connection, receipt=receipt, now=now)


def delete_received(connection: Connection, before: int) -> int:
    """Delete some receipts from before that time (seconds UTC); return how many, 0 if none is left."""
    return _DELETE.run(connection, before)
