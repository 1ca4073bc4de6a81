"""Statements of the login path: SQL text compiled once per database, run on the driver's cursor.

SQLAlchemy still manages connections, transactions and error classes; only its work around each statement is skipped.
Measured with a returning login (``docs/decisions.md``): ORM loads cost four times as much, and
``Connection.exec_driver_sql`` twice as much.
"""

from collections import namedtuple
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from sqlalchemy import Connection, TextClause, text
from sqlalchemy.engine import Dialect
from sqlalchemy.engine.interfaces import DBAPICursor
from sqlalchemy.exc import DBAPIError, IntegrityError, NoResultFound

Value = TypeVar("Value", str, int)
# The list lengths of ``run_padded``.
_LENGTHS = (1, 10, 100, 500)


class Rows:
    """The result of a statement: its rows as named tuples, or how many it changed."""

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
        """Return the row that must exist; raises NoResultFound."""
        if not self._found:
            raise NoResultFound
        return self._found[0]

    def scalar(self) -> Any:
        """Return the first column of the first row, or None."""
        return self._found[0][0] if self._found else None


class Statement:
    """One SQL text with ``:named`` values; ``mysql`` is the text for MySQL and MariaDB, if it differs."""

    def __init__(self, sql: str, mysql: str | None = None) -> None:
        self._texts = {"sqlite": text(sql), "mysql": text(mysql or sql), "mariadb": text(mysql or sql)}
        self._ready: dict[str, tuple[str, list[str] | None]] = {}
        self._row: Callable[[Any], Any] | None = None

    def run(self, connection: Connection, **values: Any) -> Rows:
        """Execute with these values in the current transaction. Values are passed separately, never inside the SQL."""
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
            # A killed greenlet, or a driver that failed at an answer, leaves the rest of it on the wire.
            connection.invalidate(error)
            raise
        cursor.close()
        return rows

    def run_unless_taken(self, connection: Connection, **values: Any) -> Rows | None:
        """Execute as ``run`` does; None, and no change, if a unique key already exists.

        The row counts of MySQL's own forms (IGNORE, ON DUPLICATE KEY) do not show this: the driver asks for matched
        rows, and an unchanged row counts as matched.
        """
        try:
            return self.run(connection, **values)
        except IntegrityError as error:
            if _is_taken(error):
                return None
            raise

    def run_many_unless_taken(self, connection: Connection, every: Sequence[dict[str, Any]]) -> bool:
        """Execute once for each of these values; False if a unique key already exists: the caller must raise Restart.

        The drivers are fast at this (PyMySQL builds INSERTs of many rows), so SQLAlchemy's overhead does not matter.
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
    """A statement over a list of values, ``{listed}`` in its SQL, compiled once for each list length."""

    def __init__(self, sql: str) -> None:
        self._sql = sql
        self._made: dict[int, Statement] = {}

    def run_padded(self, connection: Connection, listed: Sequence[Value], **values: Any) -> Rows:
        """Execute as ``run`` does, with one of few list lengths: a value that is repeated changes nothing in an IN."""
        longer: int = next((length for length in _LENGTHS if length >= len(listed)), len(listed))
        return self.run(connection, [*listed, *[listed[-1]] * (longer - len(listed))], **values)

    def run(self, connection: Connection, listed: Sequence[Value], **values: Any) -> Rows:
        """Execute with these values; there must be at least one."""
        names = [f"listed{number}" for number in range(len(listed))]
        made = self._made.get(len(listed))
        if made is None:
            sql = self._sql.format(listed=", ".join(f":{name}" for name in names))
            made = self._made[len(listed)] = Statement(sql)
        return made.run(connection, **values, **dict(zip(names, listed, strict=True)))


def _is_taken(error: IntegrityError) -> bool:
    """True for a unique key, not for a foreign key or a missing value: MySQL's 1062, or SQLite's sentence."""
    said: tuple[object, ...] = getattr(error.orig, "args", ())
    return bool(said) and (said[0] == 1062 or "UNIQUE constraint failed" in str(said[0]))


def _row_maker(columns: list[str]) -> Callable[[Any], Any]:
    row: Any = namedtuple("row", columns, rename=True)  # type: ignore[misc]  # columns are known only now
    maker: Callable[[Any], Any] = row._make
    return maker


def _explained(connection: Connection, cursor: DBAPICursor, error: Any, sql: str) -> Exception:
    """Return a driver's error as SQLAlchemy's, after removing a lost connection from the pool."""
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
