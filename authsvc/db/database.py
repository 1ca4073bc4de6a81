"""Transactions: one per use case, retried as a whole; and the checks of the database at start."""

import logging
import random
import re
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import count
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection, Engine, QueuePool, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from authsvc import metrics
from authsvc.db import engine as engine_room
from authsvc.db import faults, fitness, remnants
from authsvc.db.connections import Connections, Silent, made_at
from authsvc.db.faults import Cure, Fault
from authsvc.db.fitness import Condition, Fitness, Look
from authsvc.db.sqlitefile import UnfitDatabase, has_room, turns_of
from authsvc.db.tables import EXACT_COLUMNS, VERSION_TABLE
from authsvc.db.turns import Turns
from authsvc.errors import AuthSvcError, DatabaseBusy, DatabaseUnusable, ServiceBusy

logger = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

# A transaction that lost a race waits longer each time, up to this many times.
_STEPS_BACK = 12
# Seconds to wait for a moment in which SQLite's file can be cleaned up: in a request, and on the command line.
_BRIEFLY, _A_WHILE = 0.5, 60.0
# Readiness waits no longer than this for its turn.
_LOOKING_SECONDS = 0.5


class Restart(Exception):
    """Raised inside a transaction that lost a race: undo it and run it again, to find the winner's rows."""


class _Undo(Exception):
    """Raised inside a transaction that only had to prove that it works."""


class _Failed(Exception):
    """A transaction failed because of the database."""

    def __init__(self, fault: Fault, summary: str) -> None:
        super().__init__(summary)
        self.fault = fault

    def runs_again(self, *, may_reconnect: bool) -> bool:
        """True if the same work may succeed immediately."""
        cure = self.fault.cure
        return cure is Cure.REPEAT or (cure is Cure.RECONNECT and may_reconnect)

    def told(self) -> AuthSvcError:
        """Return the error that callers of the database room know."""
        kind = DatabaseUnusable if self.fault.is_lasting else DatabaseBusy
        return kind(self.fault.explain(str(self)))


class Database:
    """Runs work in transactions. Nothing outside ``authsvc.db`` sees an engine."""

    def __init__(self, engine: Engine, migrations: str) -> None:
        self._engine = engine
        self._url = engine.url.render_as_string()  # without the password
        self._writing = engine.execution_options(**{engine_room.WRITES: True})
        self.newest = _newest(migrations)
        self._turns = Turns(turns_of(engine.url.database)) if engine.dialect.name == "sqlite" else None
        self._connections = Connections(engine, engine_room.ANSWER_SECONDS)
        self._fitness = Fitness(self._look)
        engine_room.listen(engine)
        if isinstance(engine.pool, QueuePool):
            metrics.watch(metrics.database_connections_in_use, engine.pool.checkedout)

    def run(self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run ``work(connection, …)`` in one writing transaction and commit it.

        ``work`` may run several times, so it must change nothing but the database. Raises ServiceBusy if the database
        stays locked, unreachable or out of connections, and DatabaseUnusable if waiting would not help.
        """
        with self._told():
            result = self._transact(self._writing, lambda connection: work(connection, *args, **kwargs))
        self._fitness.wrote()
        return result

    def read(self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run ``work(connection, …)`` in a transaction that only reads; raises as ``run`` does."""
        with self._told():
            return self._transact(self._engine, lambda connection: work(connection, *args, **kwargs))

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except _Failed as failed:
            metrics.database_faults.labels(failed.fault.word).inc()
            self._fitness.refused(failed.fault.word)
            if isinstance(failed.__cause__, DBAPIError) and failed.fault.is_lasting:
                logger.info("the database refused: %s", failed.__cause__.statement)  # which contains no values
            raise failed.told() from failed.__cause__

    def close(self) -> None:
        """Close the connections that nobody uses."""
        self._engine.dispose()

    def _transact(
        self, engine: Engine, work: Callable[[Connection], T], seconds: float = engine_room.WAIT_SECONDS
    ) -> T:
        """Run work until it is committed. Raises _Failed, or ServiceBusy if its turn does not come in time."""
        may_reconnect = True
        with engine_room.patience(seconds) as is_over, self._turn(engine, seconds):
            for attempt in count():
                try:
                    return self._attempt(engine, work)
                except Restart:
                    if is_over():
                        raise ServiceBusy(f"transaction lost {attempt + 1} times") from None
                    _pause(attempt)
                except _Failed as failed:
                    if not failed.runs_again(may_reconnect=may_reconnect) or is_over():
                        raise
                    logger.info("transaction runs again: %s", failed)
                    metrics.database_faults.labels(failed.fault.word).inc()
                    if failed.fault.cure is Cure.RECONNECT:
                        may_reconnect = False
                    else:
                        _pause(attempt)
        raise AssertionError("the loop has no other end")

    def _turn(self, engine: Engine, seconds: float) -> AbstractContextManager[None]:
        return self._turns.take(seconds) if self._turns and engine is self._writing else nullcontext()

    def _attempt(self, engine: Engine, work: Callable[[Connection], T]) -> T:
        """Run work once. Raises _Failed; after that, connections with the same problem are not reused."""
        made, is_done = None, False
        try:
            with self._connections.asking(), engine.begin() as connection:
                made = made_at(connection)
                result = work(connection)
                is_done = True
        except DBAPIError as error:
            raise self._understood(error, made, is_committing=is_done) from error
        except Silent as silent:
            raise _Failed(faults.AWAY, str(silent)) from None
        except PoolTimeout as error:
            raise ServiceBusy("no free database connection") from error
        except (Restart, _Undo):
            self._connections.answered()
            raise
        self._connections.answered()
        return result

    def _understood(self, error: DBAPIError, made: float | None, *, is_committing: bool) -> Exception:
        """Return _Failed with its remedy, or the error itself if the code is at fault."""
        fault = faults.of(error)
        if fault is None:
            return error
        if faults.is_silence(error):
            self._connections.fell_silent()
        else:
            self._connections.answered()
        # A server checks privileges when a connection is made, so only new connections have corrected ones.
        if (fault.cure is Cure.RECONNECT or fault.is_lasting) and made is not None:
            self._connections.distrust(made)
        # A refused commit is certain; a commit whose answer is lost may have succeeded.
        is_uncertain = is_committing and fault.word == "unreachable"
        if is_uncertain or made is None or faults.is_silence(error):
            fault = fault.without_reconnecting()
        return _Failed(fault, faults.summary(error))

    def condition(self) -> Condition:
        """Return whether the database can do its work. It is checked at most once a second, with short waits only."""
        return self._fitness.condition()

    def _look(self, look: Look) -> Condition:
        pool = self._engine.pool
        if isinstance(pool, QueuePool) and pool.checkedout() >= pool.size():
            return Condition("busy", is_migrated=False)
        try:
            is_migrated = self._revision() == self.newest
            if is_migrated and look.writing:
                self._write_a_row(look)
        except _Failed as failed:
            return Condition(failed.fault.word, is_migrated=False)
        except ServiceBusy:
            return Condition("busy", is_migrated=False)
        return Condition(None if has_room(self._url) else "full", is_migrated)

    def revision(self) -> str | None:
        """Return the newest migration that has run, None if none has; raises as ``run`` does."""
        with self._told():
            return self._revision()

    def _revision(self) -> str | None:
        versions = text(f"SELECT version_num FROM {VERSION_TABLE}")
        try:
            found = self._transact(self._engine, lambda connection: set(connection.scalars(versions)), _LOOKING_SECONDS)
        except _Failed as failed:
            if failed.fault.word != "schema":
                raise
            return None
        return ", ".join(sorted(found)) or None

    def refuse_newer(self, revision: str | None) -> None:
        """Raise UnfitDatabase for a migration that this version does not know."""
        if revision is not None and revision > self.newest:
            raise UnfitDatabase(
                f"the database of DATABASE_URL is at migration {revision}, and this version of authsvc knows only "
                f"{self.newest}; install the newer version again"
            )

    def prove(self) -> None:
        """Check that the newest migration has run, and every table, column and privilege; raises as ``run`` does.

        Raises UnfitDatabase if another migration is the newest one that has run.
        """
        self.refuse_newer(found := self.revision())
        if found != self.newest:
            ran = f"is at migration {found}" if found else "has no tables of authsvc"
            raise UnfitDatabase(
                f"the database of DATABASE_URL {ran}, and this is version {self.newest}; run: authsvc db upgrade"
            )
        with self._told():
            self._write_a_row(Look(every_table=True))

    def _write_a_row(self, look: Look) -> None:
        def work(connection: Connection) -> str:
            if look.every_table:
                fitness.touch_every_table(connection)
            name = fitness.write_a_row(connection)
            if not look.commit:
                raise _Undo
            return name

        try:
            name = self._transact(self._writing, work, _LOOKING_SECONDS)
        except _Undo:
            return
        self._transact(self._writing, lambda connection: fitness.take_back(connection, name), _LOOKING_SECONDS)

    def empty_log(self) -> bool:
        """Remove deleted rows from SQLite's log, if other transactions allow it within half a second; True if done."""
        return self._tidy(_BRIEFLY, remnants.empty_log)

    def scrub(self) -> None:
        """Remove erased rows from SQLite's files. Writers wait while a file is rewritten.

        Raises ServiceBusy if there is no suitable moment within a minute.
        """
        if not self._tidy(_A_WHILE, remnants.rewrite, remnants.empty_log):
            raise ServiceBusy("no suitable moment to rewrite the database file")

    def _tidy(self, seconds: float, *steps: Callable[[Engine], None]) -> bool:
        if self._engine.dialect.name != "sqlite":
            return True
        try:
            with engine_room.patience(seconds), self._turns.take(seconds) if self._turns else nullcontext():
                for step in steps:
                    step(self._engine)
        except (sqlite3.OperationalError, PoolTimeout, ServiceBusy) as error:
            logger.info("database file not cleaned up: %s", error)
            return False
        return True

    def refuse_unfit(self, *, quietly: bool = False) -> None:
        """Raise UnfitDatabase if an id column ignores case, or if the driver cannot log in with the user's plugin.

        An unreachable database is not an error here: readiness and requests report that. It is logged, unless
        ``quietly``.
        """
        try:
            with self._engine.begin() as connection:
                folding = folding_columns(connection)
        except DBAPIError as error:
            fault = faults.of(error)
            if fault is None:
                raise
            if faults.number_of(error) == faults.NO_PLUGIN:
                raise UnfitDatabase(faults.NO_PLUGIN_ADVICE) from error
            level = logging.DEBUG if quietly else logging.ERROR if fault.is_lasting else logging.WARNING
            logger.log(level, "database not checked at start: %s", fault.explain(faults.summary(error)))
            return
        except RuntimeError as error:  # PyMySQL lacks a package for an authentication plugin
            raise UnfitDatabase(faults.advice_on_package(str(error))) from error
        if folding:
            raise UnfitDatabase(f"these columns must be case-sensitive and are not: {', '.join(folding)}")


def _newest(migrations: str) -> str:
    """The revision of the newest migration, which its file's name begins with. (Alembic would load half of itself.)"""
    return max(path.name for path in Path(migrations, "versions").glob("[0-9]*.py")).partition("_")[0]


def _pause(attempt: int) -> None:
    """Wait, longer each time, so that transactions that collided do not collide again."""
    time.sleep(random.uniform(0.002, 0.02) * min(attempt + 1, _STEPS_BACK))  # noqa: S311 (jitter, not a secret)


def folding_columns(connection: Connection) -> list[str]:
    """Return the id columns that ignore case, with their collations."""
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
