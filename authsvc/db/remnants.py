"""Removes what SQLite leaves behind of deleted rows.

``secure_delete`` overwrites rows in place. Two things remain: old pages in the write-ahead log, until it is emptied,
and copies of rows that page splits left in unused parts of pages (observed: 4 to 6 of 5,000 deleted values). A
checkpoint empties the log; VACUUM, which rewrites the file, removes the copies. MySQL and MariaDB purge their pages
themselves.
"""

import sqlite3
from contextlib import closing
from typing import Any

from sqlalchemy import Connection, Engine, text

from authsvc.db.engine import patiently

_LOCKED = sqlite3.OperationalError


def note(connection: Connection) -> None:
    """Record in the file itself that the erasure of this transaction may leave copies behind."""
    if connection.dialect.name == "sqlite":
        # SQLite provides this number for the application; the statement takes no parameters.
        noted = connection.scalar(text("PRAGMA user_version"))
        connection.exec_driver_sql(f"PRAGMA user_version = {int(noted or 0) + 1}")


def rewrite(engine: Engine) -> None:
    """Rewrite the file if anybody was erased since the last time. Other writers wait meanwhile."""
    with closing(engine.raw_connection()) as connection:
        cursor: Any = connection.cursor()
        noted = cursor.execute("PRAGMA user_version").fetchone()[0]
        if noted:
            patiently(lambda: cursor.execute("VACUUM"), _LOCKED)
            patiently(lambda: _clear_note(cursor, noted), _LOCKED)


def _clear_note(cursor: Any, noted: int) -> None:
    """Reset the number, unless a later erasure has increased it."""
    cursor.execute("BEGIN IMMEDIATE")
    if cursor.execute("PRAGMA user_version").fetchone()[0] == noted:
        cursor.execute("PRAGMA user_version = 0")
    cursor.execute("COMMIT")


def empty_log(engine: Engine) -> None:
    """Move the write-ahead log into the file and truncate it, once nobody reads an older state."""
    with closing(engine.raw_connection()) as connection:
        cursor: Any = connection.cursor()
        patiently(lambda: _checkpoint(cursor), _LOCKED)


def _checkpoint(cursor: Any) -> None:
    is_busy = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
    if is_busy:
        raise _LOCKED("database is locked by a reader")
