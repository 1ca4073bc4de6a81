"""What SQLite leaves of deleted rows, and how it goes.

``secure_delete`` overwrites rows where they stood. Two things remain: pages as they were before, in the write-ahead log
until it is emptied, and copies of rows that a page split has moved elsewhere, in unused parts of pages (seen: 4 to 6 of
5,000 deleted values). The log is emptied by a checkpoint; the copies go with VACUUM, which writes the file anew. MySQL
and MariaDB purge their pages by themselves.
"""

import sqlite3
from contextlib import closing
from typing import Any

from sqlalchemy import Connection, Engine, text

from authsvc.db.engine import patiently

_LOCKED = sqlite3.OperationalError


def note(connection: Connection) -> None:
    """Note in the file itself that the erasure of this transaction may leave copies behind."""
    if connection.dialect.name == "sqlite":
        # SQLite keeps this number for whoever the file belongs to; it takes no parameters.
        noted = connection.scalar(text("PRAGMA user_version"))
        connection.exec_driver_sql(f"PRAGMA user_version = {int(noted or 0) + 1}")


def rewrite(engine: Engine) -> None:
    """Write the file anew if anybody was erased since that was done last. Others who write wait meanwhile."""
    with closing(engine.raw_connection()) as connection:
        cursor: Any = connection.cursor()
        noted = cursor.execute("PRAGMA user_version").fetchone()[0]
        if noted:
            patiently(lambda: cursor.execute("VACUUM"), _LOCKED)
            patiently(lambda: _clear_note(cursor, noted), _LOCKED)


def _clear_note(cursor: Any, noted: int) -> None:
    """Somebody who was erased after the file was written is noted by a higher number, which stays."""
    cursor.execute("BEGIN IMMEDIATE")
    if cursor.execute("PRAGMA user_version").fetchone()[0] == noted:
        cursor.execute("PRAGMA user_version = 0")
    cursor.execute("COMMIT")


def empty_log(engine: Engine) -> None:
    """Bring the write-ahead log into the file and cut it to nothing, once nobody reads an older state."""
    with closing(engine.raw_connection()) as connection:
        cursor: Any = connection.cursor()
        patiently(lambda: _checkpoint(cursor), _LOCKED)


def _checkpoint(cursor: Any) -> None:
    is_busy = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
    if is_busy:
        raise _LOCKED("database is locked by somebody who reads")
