"""`flask db upgrade` that is killed, runs several times at once, or meets other people's tables."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import op
from alembic.migration import MigrationContext
from alembic.operations import Operations

from authsvc.db import repeatable
from tests.harness.inprocess import migrated_database
from tests.harness.mariadb import MariaDBServer
from tests.harness.places import ROOT

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MariaDBServer]:
    """One that forces nothing to disk: a hundred changes of tables after each other would wait for it."""
    started = MariaDBServer(tmp_path_factory.mktemp("migrated"))
    yield started
    started.remove()


@pytest.fixture(params=["sqlite", "mysql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of this test's own."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'authsvc.db'}"
    there: MariaDBServer = request.getfixturevalue("server")
    there.sql("DROP DATABASE IF EXISTS migrated", "CREATE DATABASE migrated CHARACTER SET utf8mb4")
    return there.url("migrated").replace("mysql://", "mysql+pymysql://")


def migrating(url: str, *modes: str) -> int:
    """Let ``tests/harness/migrating.py`` do its worst; return how often it killed a migration."""
    command = [sys.executable, "-m", "tests.harness.migrating", url, *modes]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def test_a_migration_that_was_killed_runs_again_and_four_at_once_wait_for_each_other(url: str) -> None:
    assert migrating(url, "sample", "together") >= 8


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["stepwise", "each"])
def test_a_migration_may_be_killed_at_any_statement(url: str, mode: str, figures: Callable[[str], None]) -> None:
    kills = migrating(url, mode)
    figures(f"{url.partition(':')[0]}: migrations killed at {kills} statements ({mode}), and each time finished")
    assert kills > 50


def test_tables_of_others_are_left_alone(url: str) -> None:
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        for table in ("orders", "users"):
            connection.execute(sa.text(f"CREATE TABLE {table} (id INT PRIMARY KEY, nickname VARCHAR(20))"))
            connection.execute(sa.text(f"INSERT INTO {table} VALUES (7, 'theirs')"))
    plain = url.replace("mysql+pymysql://", "mysql://")
    with pytest.raises(SystemExit), migrated_database(plain):
        pass
    with engine.begin() as connection:
        for table in ("orders", "users"):
            assert connection.execute(sa.text(f"SELECT * FROM {table}")).all() == [(7, "theirs")]
            assert {column["name"] for column in sa.inspect(connection).get_columns(table)} == {"id", "nickname"}
        connection.execute(sa.text("DROP TABLE users"))
    with migrated_database(plain):  # the name is free now
        pass
    with engine.begin() as connection:
        assert connection.execute(sa.text("SELECT * FROM orders")).all() == [(7, "theirs")]
    engine.dispose()


@pytest.fixture
def steps(url: str) -> Iterator[sa.Connection]:
    """A connection on which ``op`` works as in a migration, with a table to work on."""
    engine = sa.create_engine(url)
    repeatable.install()
    with engine.begin() as connection, Operations.context(MigrationContext.configure(connection)):
        op.create_table("pets", sa.Column("id", sa.Integer(), primary_key=True), sa.Column("name", sa.String(20)))
        yield connection
    engine.dispose()


def _again(step: Callable[..., Any], *arguments: Any, **options: Any) -> None:
    step(*arguments, **options)
    step(*arguments, **options)


def test_every_step_may_be_run_twice(steps: sa.Connection) -> None:
    def there() -> set[str]:
        return {column["name"] for column in sa.inspect(steps).get_columns("pets")}

    _again(lambda: op.create_table("owners", sa.Column("id", sa.Integer(), primary_key=True)))
    _again(lambda: op.add_column("pets", sa.Column("owner_id", sa.Integer())))
    _again(op.create_index, "ix_pets_name", "pets", ["name"])
    for _ in range(2):
        with op.batch_alter_table("pets") as batch:
            batch.add_column(sa.Column("age", sa.Integer()))
            batch.create_unique_constraint("uq_pets_name", ["name"])
            batch.create_foreign_key("fk_pets_owner_id", "owners", ["owner_id"], ["id"])
    assert there() == {"id", "name", "owner_id", "age"}
    assert [key["name"] for key in sa.inspect(steps).get_foreign_keys("pets")] == ["fk_pets_owner_id"]
    for _ in range(2):
        with op.batch_alter_table("pets") as batch:
            batch.drop_constraint("fk_pets_owner_id", type_="foreignkey")
            batch.drop_constraint("uq_pets_name", type_="unique")
            batch.alter_column("name", new_column_name="called", existing_type=sa.String(20))
    _again(op.drop_index, "ix_pets_name", "pets")
    _again(op.drop_column, "pets", "owner_id")
    assert there() == {"id", "called", "age"}
    assert sa.inspect(steps).get_indexes("pets") == []
    _again(op.rename_table, "pets", "animals")
    _again(op.drop_table, "animals")
    assert not sa.inspect(steps).has_table("animals")


def test_a_step_of_two_statements_is_refused(steps: sa.Connection) -> None:
    with pytest.raises(repeatable.NotOneStatement, match="species"):
        op.add_column("pets", sa.Column("species", sa.String(20), index=True))
    with pytest.raises(repeatable.NotOneStatement, match="owner"):
        op.add_column("pets", sa.Column("owner", sa.Integer(), sa.ForeignKey("pets.id")))
    with pytest.raises(repeatable.NotOneStatement, match="tag"):
        op.create_table("toys", sa.Column("tag", sa.String(20), unique=True))


def test_an_index_or_table_that_is_not_ours_is_told(steps: sa.Connection) -> None:
    op.create_index("ix_pets", "pets", ["name"])
    with pytest.raises(repeatable.NotOurs, match="ix_pets already exists, over name"):
        op.create_index("ix_pets", "pets", ["id"])
    with pytest.raises(repeatable.NotOurs, match="pets already exists"):
        op.create_table("pets", sa.Column("id", sa.Integer(), primary_key=True), sa.Column("size", sa.Integer()))


def test_what_is_printed_for_others_to_run_asks_no_database(capsys: pytest.CaptureFixture[str]) -> None:
    context = MigrationContext.configure(dialect_name="mysql", opts={"as_sql": True})
    repeatable.install()
    with Operations.context(context):
        op.create_index("ix_pets", "pets", ["name"])
    assert capsys.readouterr().out.strip() == "CREATE INDEX ix_pets ON pets (name);"
