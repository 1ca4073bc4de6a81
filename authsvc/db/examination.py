"""What a database says about itself: version, migrations, collations, isolation, encryption, connections."""

import sqlite3
from dataclasses import dataclass

from sqlalchemy import Connection, inspect, text

from authsvc.db.database import folding_columns
from authsvc.db.tables import VERSION_TABLE


@dataclass(frozen=True, slots=True)
class DatabaseFacts:
    """The answers of one connection, as authsvc sets it up.

    ``revisions`` are the migrations that have run last, ``folding`` the id columns that ignore case, ``cipher`` that of
    TLS (empty without TLS). ``journal`` is SQLite's mode; ``charset`` and ``most_connections`` are a server's.
    """

    version: str
    revisions: frozenset[str]
    folding: tuple[str, ...]
    isolation: str
    journal: str = ""
    charset: str = ""
    cipher: str = ""
    most_connections: int = 0


def facts(connection: Connection) -> DatabaseFacts:
    """Ask the database; changes nothing."""
    revisions = _revisions(connection)
    folding, isolation = tuple(folding_columns(connection)), str(connection.get_isolation_level())
    if connection.dialect.name == "sqlite":
        journal = str(connection.scalar(text("PRAGMA journal_mode")))
        return DatabaseFacts(sqlite3.sqlite_version, revisions, folding, isolation, journal)
    version, charset, most = connection.execute(
        text("SELECT VERSION(), @@character_set_database, @@max_connections")
    ).one()
    cipher = connection.execute(text("SHOW SESSION STATUS LIKE 'Ssl_cipher'")).first()
    return DatabaseFacts(
        str(version),
        revisions,
        folding,
        isolation,
        charset=str(charset),
        cipher=str(cipher[1]) if cipher else "",
        most_connections=int(most),
    )


def _revisions(connection: Connection) -> frozenset[str]:
    if not inspect(connection).has_table(VERSION_TABLE):
        return frozenset()
    return frozenset(map(str, connection.scalars(text(f"SELECT version_num FROM {VERSION_TABLE}"))))
