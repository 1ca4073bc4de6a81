"""Migrations on a database that is in use: what is there stays, and refers to what it referred to."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from flask import Flask
from flask_migrate import Migrate, downgrade, upgrade

from authsvc.app import MIGRATIONS
from authsvc.db import engine, sqlitefile
from authsvc.db.models import db
from tests.harness.databases import MySQLSchema

BEFORE, AFTER = "0011", "0012"
# As rows were then.
FILL = (
    "INSERT INTO users (id, nickname, country_code, phone, status, created_at, updated_at, last_login_at)"
    " VALUES ({id}, 'n{id}', '86', '1380000000{id}', 'active', 1, 2, 3)",
    "INSERT INTO identities (appid, openid, unionid, user_id, session_key, created_at)"
    " VALUES ('wx', 'o{id}', 'u{id}', {id}, 'sealed{id}', 4)",
    "INSERT INTO unionids (unionid, user_id) VALUES ('u{id}', {id})",
    "INSERT INTO consents (user_id, version, given_at) VALUES ({id}, 'v{id}', 6)",
    "INSERT INTO invite_codes (id, code, owner_id, is_own, created_at) VALUES ({id}, 'c{id}', {id}, 1, 7)",
    "INSERT INTO invite_uses (invite_code_id, user_id, used_at) VALUES ({id}, {id}, 8)",
)


@pytest.fixture(params=["sqlite", "mysql"])
def before(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[sa.Engine]:
    """A database with people in it, from before claimed numbers could be shared, and the context to migrate it in."""
    schema = None
    url = f"sqlite:///{tmp_path / 'authsvc.db'}"
    if request.param == "mysql":
        schema = MySQLSchema()
        url = schema.url.replace("mysql://", "mysql+pymysql://")
    app = Flask("tests")
    sqlitefile.prepare(url)
    app.config["SQLALCHEMY_DATABASE_URI"] = url
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = engine.options(url, 2)
    db.init_app(app)
    Migrate(app, db, directory=MIGRATIONS)
    with app.app_context():
        engine.listen(db.engine)
        upgrade(directory=MIGRATIONS, revision=BEFORE)
        with db.engine.execution_options(**{engine.WRITES: True}).begin() as connection:
            for number in (1, 2, 3):
                for statement in FILL:
                    connection.exec_driver_sql(statement.format(id=number))
            connection.exec_driver_sql(
                "INSERT INTO users (id, created_at, updated_at, last_login_at) VALUES (9, 1, 1, 1)"
            )
            connection.exec_driver_sql("DELETE FROM users WHERE id = 9")
            connection.exec_driver_sql("UPDATE users SET claimed_phone = '+861' WHERE id = 1")
            connection.exec_driver_sql("INSERT INTO spent_tickets (ticket_id, expires_at) VALUES ('old', 9)")
        yield db.engine
        db.engine.dispose()
    if schema is not None:
        schema.drop()


def _rows(there: sa.Engine) -> dict[str, list[tuple[object, ...]]]:
    """Every row, but for the column that was added; in the order of the columns' names."""
    with there.begin() as connection:
        found = {}
        there_now = sa.inspect(connection)
        for table in there_now.get_table_names():
            columns = sorted({column["name"] for column in there_now.get_columns(table)} - {"uses", "version_num"})
            rows = connection.exec_driver_sql(f"SELECT {', '.join(columns) or '1'} FROM {table}").all()
            found[table] = sorted(map(tuple, rows), key=str)
        return found


def _try(there: sa.Engine, sql: str) -> int:
    """Execute, and return the id that a row was given."""
    with there.execution_options(**{engine.WRITES: True}).begin() as connection:
        return int(connection.exec_driver_sql(sql).lastrowid or 0)


def test_claimed_numbers_come_to_be_shared_and_nothing_else_changes(before: sa.Engine) -> None:
    kept = _rows(before)
    upgrade(directory=MIGRATIONS, revision=AFTER)
    assert _rows(before) == kept
    with before.begin() as connection:
        assert connection.exec_driver_sql("SELECT uses FROM spent_tickets").scalar() == 3, "it was used up"
    _try(before, "UPDATE users SET claimed_phone = '+861' WHERE id = 2")
    # An id that was given once is given to nobody else; a number has one owner; whoever is referred to stays.
    assert _try(before, "INSERT INTO users (created_at, updated_at, last_login_at) VALUES (1, 1, 1)") == 10
    for refused in ("UPDATE users SET phone = '13800000001' WHERE id = 2", "DELETE FROM users WHERE id = 1"):
        with pytest.raises(sa.exc.IntegrityError):
            _try(before, refused)
    _try(before, "DELETE FROM users WHERE id = 10")

    downgrade(directory=MIGRATIONS, revision=BEFORE)
    assert _rows(before) == kept, "of two who claim a number, the first has it"
    with pytest.raises(sa.exc.IntegrityError):
        _try(before, "UPDATE users SET claimed_phone = '+861' WHERE id = 2")
    assert _try(before, "INSERT INTO users (created_at, updated_at, last_login_at) VALUES (1, 1, 1)") == 11
