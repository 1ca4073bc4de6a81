"""What statements know of tables is what the models say, and the newest migration is Alembic's."""

from alembic.script import ScriptDirectory
from sqlalchemy import create_engine
from sqlalchemy.dialects import mysql

from authsvc.app import MIGRATIONS
from authsvc.db.database import Database
from authsvc.db.models import Base
from authsvc.db.tables import COLUMNS, EXACT_COLUMNS


def test_every_column_of_every_table_is_known() -> None:
    found = {table.name: table.columns.keys() for table in Base.metadata.sorted_tables}
    assert {name: columns.split() for name, columns in COLUMNS.items()} == found


def test_every_column_that_must_not_ignore_case_is_checked_at_the_start() -> None:
    exact = {
        table.name: {
            column.name
            for column in table.columns
            if str(getattr(column.type.dialect_impl(mysql.dialect()), "collation", "")).endswith("_bin")
        }
        for table in Base.metadata.sorted_tables
    }
    checked = {table: set(EXACT_COLUMNS.get(table, ())) for table in exact}
    assert {table: exact[table] - checked[table] for table in exact if exact[table] - checked[table]} == {}
    assert set(EXACT_COLUMNS) <= set(exact)


def test_the_newest_migration_is_the_one_that_alembic_goes_to() -> None:
    """It is read from the names of files: Alembic would be loaded for it by every worker."""
    assert ScriptDirectory(MIGRATIONS).get_heads() == [Database(create_engine("sqlite://"), MIGRATIONS).newest]
