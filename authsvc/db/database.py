"""Transactions: one per use case, retried as a whole, and the checks that a database must pass at start."""

import logging
import random
import re
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TypeVar

from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from authsvc.db import engine as engine_room
from authsvc.db import remnants
from authsvc.db.models import EXACT_COLUMNS, VERSION_TABLE
from authsvc.errors import ServiceBusy

logger = logging.getLogger(__name__)

T = TypeVar("T")

# Lost to a deadlock or a lock wait: nothing of the transaction stayed, so all of it may run again.
_MYSQL_RETRY = {1205, 1213}
# Twenty first logins of one person in two apps at once lost more than four times on MariaDB; time is the real limit.
_ATTEMPTS = 12
# Seconds to wait for the moment in which SQLite's file can be tidied: during a request, and on the command line.
_BRIEFLY, _A_WHILE = 0.5, 60.0


class Restart(Exception):
    """Raised inside a transaction that lost a race: undo all of it and run it again, to find the winner's rows."""


class UnfitDatabase(Exception):
    """The schema would confuse two ids that differ only by case: the service must not start on it."""


class _Line:
    """SQLite has one writer at a time. Those of one process wait in line, without a connection and without polling."""

    def __init__(self) -> None:
        self._writer = threading.Lock()

    def __enter__(self) -> None:
        if not self._writer.acquire(timeout=engine_room.WAIT_SECONDS):
            raise ServiceBusy("too many transactions wait for their turn")

    def __exit__(self, *_: object) -> None:
        self._writer.release()


class Database:
    """Runs work in transactions. Nothing outside ``authsvc.db`` sees an engine."""

    def __init__(self, engine: Engine, migrations: str) -> None:
        self._engine = engine
        self._writing = engine.execution_options(**{engine_room.WRITES: True})
        self._heads = set(ScriptDirectory(migrations).get_heads())
        self._line: AbstractContextManager[None] = _Line() if engine.dialect.name == "sqlite" else nullcontext()
        engine_room.listen(engine)

    def run(self, work: Callable[[Connection], T]) -> T:
        """Run ``work`` in one writing transaction and commit it.

        ``work`` may run several times, so it must touch nothing but the database. Raises ServiceBusy when the
        database stays locked, away or out of connections.
        """
        with engine_room.patience() as is_over, self._line:
            for attempt in range(_ATTEMPTS):
                try:
                    with self._writing.begin() as connection:
                        return work(connection)
                except Restart:
                    _pause(attempt)
                except DBAPIError as error:
                    if not _is_lost_lock(error) or is_over():
                        raise _busy(error) from error
                    logger.info("transaction runs again: %s", _summary(error))
                    _pause(attempt)
                except PoolTimeout as error:
                    raise ServiceBusy("no free database connection") from error
        raise ServiceBusy(f"transaction lost {_ATTEMPTS} times")

    def read(self, work: Callable[[Connection], T]) -> T:
        """Run ``work`` in a transaction that only reads. Raises ServiceBusy as ``run`` does."""
        try:
            with engine_room.patience(), self._engine.begin() as connection:
                return work(connection)
        except DBAPIError as error:
            raise _busy(error) from error
        except PoolTimeout as error:
            raise ServiceBusy("no free database connection") from error

    def empty_log(self) -> bool:
        """Leave nothing of deleted rows in SQLite's log, if others allow it within half a second; True when done."""
        return self._tidy(_BRIEFLY, remnants.empty_log)

    def scrub(self) -> None:
        """Leave nothing of erased rows in SQLite's files. Writers wait while a file is written anew.

        Raises ServiceBusy when there is no moment for it within a minute.
        """
        if not self._tidy(_A_WHILE, remnants.rewrite, remnants.empty_log):
            raise ServiceBusy("no moment to write the database file anew")

    def _tidy(self, seconds: float, *steps: Callable[[Engine], None]) -> bool:
        if self._engine.dialect.name != "sqlite":
            return True
        try:
            with engine_room.patience(seconds), self._line:
                for step in steps:
                    step(self._engine)
        except (sqlite3.OperationalError, PoolTimeout, ServiceBusy) as error:
            logger.info("database file not tidied: %s", error)
            return False
        return True

    def refuse_folding_columns(self) -> None:
        """Raise UnfitDatabase, naming the columns, when an id column of ours ignores case.

        A database that cannot be reached is not judged here: readiness says so, and requests answer 503.
        """
        try:
            with self._engine.begin() as connection:
                folding = _folding_columns(connection)
        except OperationalError as error:
            logger.warning("database not checked at start: %s", _summary(error))
            return
        if folding:
            raise UnfitDatabase(f"these columns ignore case and must not: {', '.join(folding)}")

    def is_reachable(self) -> bool:
        """True when a query comes back."""
        try:
            with self._engine.begin() as connection:
                connection.execute(text("SELECT 1"))
            return True
        except (DBAPIError, PoolTimeout):
            return False

    def is_migrated(self) -> bool:
        """True when the newest migration has run."""
        try:
            with self._engine.begin() as connection:
                return set(connection.scalars(text(f"SELECT version_num FROM {VERSION_TABLE}"))) == self._heads
        except (DBAPIError, PoolTimeout):
            return False


def _pause(attempt: int) -> None:
    """Step back, further each time, so that those who lost together do not meet again."""
    time.sleep(random.uniform(0.002, 0.02) * (attempt + 1))  # noqa: S311 (jitter, not a secret)


def _is_lost_lock(error: DBAPIError) -> bool:
    return _number(error) in _MYSQL_RETRY


def _busy(error: DBAPIError) -> Exception:
    """Locked, gone or refusing connections is "try later"; anything else is a fault of ours and stays one."""
    if isinstance(error, OperationalError) or error.connection_invalidated:
        return ServiceBusy(_summary(error))
    return error


def _summary(error: DBAPIError) -> str:
    """The driver's words without SQL and values."""
    return f"{type(error.orig).__name__} {_number(error)}"


def _number(error: DBAPIError) -> object:
    """The driver's first argument: MySQL's error number, SQLite's sentence."""
    arguments: tuple[object, ...] = getattr(error.orig, "args", ())
    return arguments[0] if arguments else None


def _folding_columns(connection: Connection) -> list[str]:
    if connection.dialect.name == "sqlite":
        return _nocase_tables(connection)
    rows = connection.execute(
        text(
            "SELECT table_name, column_name, collation_name FROM information_schema.columns "
            "WHERE table_schema = DATABASE()"
        )
    )
    return [
        f"{table}.{column} ({collation})"
        for table, column, collation in rows
        if column in EXACT_COLUMNS.get(table, ()) and collation and not collation.endswith("_bin")
    ]


def _nocase_tables(connection: Connection) -> list[str]:
    rows = connection.execute(text("SELECT name, sql FROM sqlite_master WHERE type IN ('table', 'index')"))
    ours = set(EXACT_COLUMNS)
    return [name for name, sql in rows if name in ours and re.search(r"collate\s+nocase", sql or "", re.I)]
