"""Databases for tests of single rooms: made by the real migrations, emptied between tests."""

from collections.abc import Iterator

import pytest

from authsvc.db.database import Database
from tests.harness.databases import MySQLSchema, skip_without_mysql
from tests.harness.inprocess import Clock, empty, migrated_database


@pytest.fixture(scope="session")
def _sqlite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    with migrated_database(f"sqlite:///{tmp_path_factory.mktemp('unit')}/authsvc.db") as database:
        yield database


@pytest.fixture(scope="session")
def _mysql() -> Iterator[Database]:
    skip_without_mysql()
    schema = MySQLSchema()
    with migrated_database(schema.url) as database:
        yield database
    schema.drop()


@pytest.fixture
def database(_sqlite: Database) -> Database:
    """An empty SQLite database."""
    empty(_sqlite)
    return _sqlite


@pytest.fixture(params=["sqlite", "mysql"])
def each_database(request: pytest.FixtureRequest) -> Database:
    """An empty database, once on SQLite and once on MariaDB or MySQL."""
    found: Database = request.getfixturevalue(f"_{request.param}")
    empty(found)
    return found


@pytest.fixture
def clock() -> Clock:
    return Clock()
