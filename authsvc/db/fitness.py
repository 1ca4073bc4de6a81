"""Checks for readiness whether the database can really do its work.

A check is a transaction that inserts a row and rolls back. Most of the time no check is needed, because a transaction
that a request has just committed proves the same. After a refusal, the row is committed and then deleted: with a full
disk, or in a group without a majority, everything works except the commit.
"""

import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from authsvc.db.statements import Statement
from authsvc.db.tables import COLUMNS
from authsvc.values.operator import DatabaseWord

# More frequent callers get the last answer, so asking costs the database nothing.
_RECENT_SECONDS = 1.0
# Every table is checked in this interval for missing tables and privileges.
_THOROUGH_SECONDS = 30.0
# A database that has been busy for a shorter time than this counts as working.
_BUSY_SECONDS = 30.0

# With an old time: if the row is left behind, the next purge deletes it.
_INSERT = Statement("INSERT INTO decrypt_failures (key_hash, failures, failed_at) VALUES (:name, 0, 0)")
_DELETE = Statement("DELETE FROM decrypt_failures WHERE key_hash = :name")


@dataclass(frozen=True, slots=True)
class Condition:
    """The result: a word for why the database cannot work, and whether the newest migration has run."""

    word: DatabaseWord | None
    is_migrated: bool


@dataclass(frozen=True, slots=True)
class Look:
    """How thorough a check is: with ``writing`` at all, with a ``commit``, with ``every_table``."""

    writing: bool = True
    commit: bool = False
    every_table: bool = False


class Fitness:
    """Remembers what this process knows about its database, and checks again when that is old."""

    def __init__(self, look: Callable[[Look], Condition]) -> None:
        self._look = look
        self._looking = threading.Lock()
        self._condition = Condition("unreachable", is_migrated=False)
        self._looked_at = self._thorough_at = self._wrote_at = self._refused_at = -float("inf")

    def wrote(self) -> None:
        """Note that a transaction was committed."""
        self._wrote_at = time.monotonic()

    def refused(self, word: DatabaseWord) -> None:
        """Note that a transaction failed because of the database."""
        if word == "busy":
            return
        self._refused_at = self._looked_at = time.monotonic()
        self._condition = replace(self._condition, word=word)

    def condition(self) -> Condition:
        """Return the result, after a new check if it is older than a second. One caller checks; others do not wait."""
        if time.monotonic() - self._looked_at > _RECENT_SECONDS and self._looking.acquire(blocking=False):
            try:
                self._condition = self._found(time.monotonic())
                self._looked_at = time.monotonic()
            finally:
                self._looking.release()
        return self._condition

    def _found(self, now: float) -> Condition:
        in_doubt = self._refused_at > self._wrote_at
        thorough = in_doubt or now - self._thorough_at > _THOROUGH_SECONDS
        proven = now - self._wrote_at < _RECENT_SECONDS and not thorough
        found = self._look(Look(writing=not proven, commit=in_doubt, every_table=thorough))
        if found.word is None:
            self._wrote_at = now
            self._thorough_at = now if thorough else self._thorough_at
        elif found.word == "busy":
            is_working = self._condition.is_migrated and not in_doubt and now - self._wrote_at < _BUSY_SECONDS
            return replace(self._condition, word=None if is_working else "busy")
        return found


def write_a_row(connection: Connection) -> str:
    """Insert a meaningless row; return the values for ``take_back``."""
    name = f"readyz {secrets.token_hex(12)}"
    _INSERT.run(connection, name=name)
    return name


def take_back(connection: Connection, name: str) -> None:
    """Delete the row."""
    _DELETE.run(connection, name=name)


def touch_every_table(connection: Connection) -> None:
    """Run authsvc's kinds of statements on no rows of every table; fails if a table, column or privilege is missing."""
    for statement in _ON_NO_ROW:
        statement.run(connection)


def _on_no_row() -> list[Statement]:
    statements = []
    for table, names in COLUMNS.items():
        columns = names.split()
        every, last = ", ".join(columns), columns[-1]
        statements += [
            Statement(f"INSERT INTO {table} ({every}) SELECT {every} FROM {table} WHERE 1 = 0"),
            Statement(f"UPDATE {table} SET {last} = {last} WHERE 1 = 0"),
            Statement(f"DELETE FROM {table} WHERE 1 = 0"),
        ]
    return statements


_ON_NO_ROW = _on_no_row()
