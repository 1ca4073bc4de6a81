"""What statements know of tables is what the models say, and the newest migration is Alembic's."""

from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

from authsvc.app import MIGRATIONS
from authsvc.db.database import Database
from authsvc.db.models import Base
from authsvc.db.tables import COLUMNS


def test_every_column_of_every_table_is_known() -> None:
    found = {table.name: table.columns.keys() for table in Base.metadata.sorted_tables}
    assert {name: columns.split() for name, columns in COLUMNS.items()} == found


def test_the_newest_migration_is_the_one_that_alembic_goes_to() -> None:
    """It is read from the names of files: Alembic would be loaded for it by every worker."""
    assert ScriptDirectory(MIGRATIONS).get_heads() == [Database(create_engine("sqlite://"), MIGRATIONS)._newest]
