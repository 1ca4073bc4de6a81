"""Statements of the hot path: SQL text compiled once per database, run without the ORM.

Measured on a returning login, this is a quarter of what loading, changing and refreshing models costs
(``docs/decisions.md``).
"""

from typing import Any

from sqlalchemy import Connection, CursorResult, TextClause, text
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import IntegrityError


class Statement:
    """One SQL text with ``:named`` values; ``mysql`` where MySQL and MariaDB say it in other words."""

    def __init__(self, sql: str, mysql: str | None = None) -> None:
        self._texts = {"sqlite": text(sql), "mysql": text(mysql or sql), "mariadb": text(mysql or sql)}
        self._ready: dict[str, tuple[str, list[str] | None]] = {}

    def run(self, connection: Connection, **values: Any) -> CursorResult[Any]:
        """Execute with these values. Values travel beside the SQL, never inside it."""
        dialect = connection.dialect
        ready = self._ready.get(dialect.name)
        if ready is None:
            ready = self._ready[dialect.name] = _compile(self._texts[dialect.name], dialect)
        sql, order = ready
        return connection.exec_driver_sql(sql, values if order is None else tuple(values[name] for name in order))

    def run_unless_taken(self, connection: Connection, **values: Any) -> CursorResult[Any] | None:
        """Execute as ``run`` does; None when a unique key is somebody else's already, and then nothing is changed.

        MySQL's own ways of saying so (IGNORE, ON DUPLICATE KEY) cannot be told apart by their row counts: the driver
        asks for matched rows, and a row that was left alone counts as matched.
        """
        try:
            return self.run(connection, **values)
        except IntegrityError:
            return None


def _compile(clause: TextClause, dialect: Dialect) -> tuple[str, list[str] | None]:
    compiled = clause.compile(dialect=dialect)
    order = getattr(compiled, "positiontup", None)
    return str(compiled), None if order is None else list(order)
