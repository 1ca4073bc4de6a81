"""Deletes obsolete rows in small batches, because a purge must not hold the write lock for long."""

from sqlalchemy import Connection

from authsvc.db.statements import Statement

_AT_ONCE = 1000


class Deletion:
    """Deletes rows of one table that meet a condition on ``:before`` (seconds UTC)."""

    def __init__(self, table: str, condition: str) -> None:
        some = f"SELECT rowid FROM {table} WHERE {condition} LIMIT :at_once"
        self._statement = Statement(
            f"DELETE FROM {table} WHERE rowid IN ({some})",
            mysql=f"DELETE FROM {table} WHERE {condition} LIMIT :at_once",
        )

    def run(self, connection: Connection, before: int) -> int:
        """Delete up to a thousand rows; return how many, 0 if none is left."""
        return self._statement.run(connection, before=before, at_once=_AT_ONCE).rowcount
