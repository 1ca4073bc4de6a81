"""How migrations run: one process at a time, over our own tables only, and again where one was killed."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from alembic import context
from flask import current_app
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from authsvc.db import engine, faults, repeatable
from authsvc.db.models import Base
from authsvc.db.revisions import NotMigrated
from authsvc.db.sqlitefile import turns_of
from authsvc.db.tables import VERSION_TABLE
from authsvc.db.turns import Turns

logger = logging.getLogger("authsvc.db.migrations")

# How long a migration waits for its turn, in seconds.
_TURN_SECONDS = 600
_TURN = "CONCAT('authsvc migrations ', MD5(DATABASE()))"
_OURS = set(Base.metadata.tables)


def _is_ours(_object: Any, name: str | None, kind: str, _reflected: bool, _compared: Any) -> bool:
    """Autogenerate would propose to drop every table it does not know: others may live in this schema."""
    return kind != "table" or name in _OURS


def _run() -> None:
    try:
        _migrate()
    except DBAPIError as error:
        if (fault := faults.of(error)) is None:
            raise
        raise NotMigrated(fault.explain(faults.summary(error)), will_pass=not fault.is_lasting) from error


def _migrate() -> None:
    with _alone() as connection:
        context.configure(
            connection=connection,
            target_metadata=Base.metadata,
            version_table=VERSION_TABLE,
            include_object=_is_ours,
            render_as_batch=connection.dialect.name == "sqlite",
            compare_type=True,
            on_version_apply=_tell,
        )
        with context.begin_transaction():
            context.run_migrations()


def _tell(ctx: Any, step: Any, heads: Any, run_args: Any) -> None:
    """Say which migration has run to whoever asked for it (db/revisions.py)."""
    if (ran := context.config.attributes.get("ran")) and step.is_upgrade:
        ran(step.up_revision_id, step.up_revision.doc)


@contextmanager
def _alone() -> Iterator[Connection]:
    """A connection while nobody else migrates. On SQLite all of it is one transaction; MySQL commits each change."""
    patient = engine.for_long_work(current_app.extensions["migrate"].db.engine)
    repeatable.install()
    with engine.patience(engine.LONG_SECONDS):
        if patient.dialect.name == "sqlite":
            turns = Turns(turns_of(patient.url.database))
            with turns.take(_TURN_SECONDS), patient.connect() as connection, _references_at_the_end(connection):
                yield connection
        else:
            with patient.connect() as connection:
                _wait_for_turn(connection)
                yield connection


@contextmanager
def _references_at_the_end(connection: Connection) -> Iterator[None]:
    """One transaction in which a table may be made anew: SQLite cannot change much of one in another way.

    Dropping the old table would be refused while others refer to its rows; so references are checked before the commit
    instead (https://www.sqlite.org/lang_altertable.html#otheralter). The connection is closed afterwards.
    """
    cursor = connection.connection.cursor()
    cursor.execute("PRAGMA foreign_keys = OFF")  # of no effect within a transaction
    cursor.close()
    with connection.begin():
        yield
        if broken := {str(row[0]) for row in connection.execute(text("PRAGMA foreign_key_check"))}:
            raise NotMigrated(f"rows of {', '.join(sorted(broken))} refer to rows that are not there")


def _wait_for_turn(connection: Connection) -> None:
    """Take a lock of the server's by name, which goes with the connection."""
    try:
        is_ours = connection.scalar(text(f"SELECT GET_LOCK({_TURN}, {_TURN_SECONDS})"))
    except DBAPIError as error:
        if error.connection_invalidated:
            raise
        logger.warning("this server knows no GET_LOCK: let only one process migrate at a time")
        is_ours = True
    finally:
        connection.rollback()
    if not is_ours:
        said = f"another process has been migrating this database for {_TURN_SECONDS} seconds"
        raise NotMigrated(said, will_pass=True)


def _print() -> None:
    """``flask db upgrade --sql``: the statements, for those who run them by hand."""
    url = current_app.extensions["migrate"].db.engine.url
    if url.get_backend_name() == "sqlite":
        raise NotMigrated("--sql works for MySQL and MariaDB only: on SQLite, statements depend on the tables' content")
    context.configure(url=url, target_metadata=Base.metadata, version_table=VERSION_TABLE, literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()


if context.is_offline_mode():
    _print()
else:
    _run()
