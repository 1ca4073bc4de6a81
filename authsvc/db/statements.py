"""Statements of the hot path: SQL text compiled once per database, run on the driver's cursor.

SQLAlchemy keeps the connections, the transactions and the names of the errors; only what it does around each
statement is left out. Measured on a returning login (``docs/decisions.md``): ORM loads cost four times as much, and
``Connection.exec_driver_sql`` twice.
"""

from collections import namedtuple
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, TextClause, text
from sqlalchemy.engine import Dialect
from sqlalchemy.engine.interfaces import DBAPICursor
from sqlalchemy.exc import DBAPIError, IntegrityError, NoResultFound


class Rows:
    """What a statement found, as named tuples, or how much it changed."""

    __slots__ = ("_found", "lastrowid", "rowcount")

    def __init__(self, found: list[Any], cursor: Any) -> None:
        self._found = found
        self.rowcount: int = cursor.rowcount
        self.lastrowid: Any = cursor.lastrowid

    def __iter__(self) -> Iterator[Any]:
        return iter(self._found)

    def all(self) -> list[Any]:
        """Return every row."""
        return self._found

    def first(self) -> Any:
        """Return the first row, or None."""
        return self._found[0] if self._found else None

    one_or_none = first

    def one(self) -> Any:
        """Return the row that must be there; raises NoResultFound."""
        if not self._found:
            raise NoResultFound
        return self._found[0]

    def scalar(self) -> Any:
        """Return the first column of the first row, or None."""
        return self._found[0][0] if self._found else None


class Statement:
    """One SQL text with ``:named`` values; ``mysql`` where MySQL and MariaDB say it in other words."""

    def __init__(self, sql: str, mysql: str | None = None) -> None:
        self._texts = {"sqlite": text(sql), "mysql": text(mysql or sql), "mariadb": text(mysql or sql)}
        self._ready: dict[str, tuple[str, list[str] | None]] = {}
        self._row: Callable[[Any], Any] | None = None

    def run(self, connection: Connection, **values: Any) -> Rows:
        """Execute with these values, in a transaction that has begun. Values travel beside the SQL, never inside it."""
        dialect = connection.dialect
        ready = self._ready.get(dialect.name)
        if ready is None:
            ready = self._ready[dialect.name] = _compile(self._texts[dialect.name], dialect)
        sql, order = ready
        cursor = connection.connection.cursor()
        try:
            cursor.execute(sql, values if order is None else [values[name] for name in order])
            rows = Rows(self._named(cursor), cursor)
        except dialect.loaded_dbapi.Error as error:
            raise _explained(connection, cursor, error, sql) from error
        except BaseException as error:
            # A killed greenlet, or a driver that stumbled over an answer, leaves the rest of it on the wire.
            connection.invalidate(error)
            raise
        cursor.close()
        return rows

    def run_unless_taken(self, connection: Connection, **values: Any) -> Rows | None:
        """Execute as ``run`` does; None when a unique key is somebody else's already, and then nothing is changed.

        MySQL's own ways of saying so (IGNORE, ON DUPLICATE KEY) cannot be told apart by their row counts: the driver
        asks for matched rows, and a row that was left alone counts as matched.
        """
        try:
            return self.run(connection, **values)
        except IntegrityError as error:
            if _is_taken(error):
                return None
            raise

    def run_many_unless_taken(self, connection: Connection, every: Sequence[dict[str, Any]]) -> bool:
        """Execute once for each of these values; False when a unique key is somebody else's already: raise Restart.

        The drivers are fast at this (PyMySQL makes INSERTs of many rows out of it), so SQLAlchemy may do the rest.
        """
        try:
            connection.execute(self._texts[connection.dialect.name], every)
        except IntegrityError as error:
            if _is_taken(error):
                return False
            raise
        return True

    def _named(self, cursor: DBAPICursor) -> list[Any]:
        if cursor.description is None:
            return []
        if self._row is None:
            self._row = _row_maker([column[0] for column in cursor.description])
        return list(map(self._row, cursor.fetchall()))


class ListStatement:
    """A statement over a list of texts, ``{listed}`` in its SQL: made once for each length that occurs."""

    def __init__(self, sql: str) -> None:
        self._sql = sql
        self._made: dict[int, Statement] = {}

    def run(self, connection: Connection, listed: Sequence[str], **values: Any) -> Rows:
        """Execute with these texts, of which there must be one at least."""
        names = [f"listed{number}" for number in range(len(listed))]
        made = self._made.get(len(listed))
        if made is None:
            sql = self._sql.format(listed=", ".join(f":{name}" for name in names))
            made = self._made[len(listed)] = Statement(sql)
        return made.run(connection, **values, **dict(zip(names, listed, strict=True)))


def _is_taken(error: IntegrityError) -> bool:
    """A unique key, and not a foreign key or a missing value: MySQL's 1062, and SQLite's sentence."""
    said: tuple[object, ...] = getattr(error.orig, "args", ())
    return bool(said) and (said[0] == 1062 or "UNIQUE constraint failed" in str(said[0]))


def _row_maker(columns: list[str]) -> Callable[[Any], Any]:
    row: Any = namedtuple("row", columns, rename=True)  # type: ignore[misc]  # columns are known only now
    maker: Callable[[Any], Any] = row._make
    return maker


def _explained(connection: Connection, cursor: DBAPICursor, error: Any, sql: str) -> Exception:
    """Return a driver's error in SQLAlchemy's terms, after taking a lost connection out of the pool."""
    dialect = connection.dialect
    lost = dialect.is_disconnect(error, connection.connection, cursor)
    if lost:
        connection.invalidate(error)
    errors = dialect.loaded_dbapi.Error
    explained: Exception = DBAPIError.instance(
        sql, None, error, errors, hide_parameters=True, connection_invalidated=lost, dialect=dialect
    )
    return explained


def _compile(clause: TextClause, dialect: Dialect) -> tuple[str, list[str] | None]:
    compiled = clause.compile(dialect=dialect)
    order = getattr(compiled, "positiontup", None)
    return str(compiled), None if order is None else list(order)
