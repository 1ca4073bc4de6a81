"""What errors of the database come to: a table, and the database room that obeys it."""

import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pymysql
import pytest
from sqlalchemy import Connection, event
from sqlalchemy.exc import DBAPIError

from authsvc.db import connections, faults
from authsvc.db.database import Database
from authsvc.db.faults import Cure
from authsvc.errors import DatabaseUnusable
from tests.harness.inprocess import migrated_database, rows


def mysql(number: int, text: str = "", kind: type[Exception] = pymysql.err.OperationalError) -> DBAPIError:
    return DBAPIError.instance("SELECT 1", None, kind(number, text), pymysql.err.Error)


@pytest.mark.parametrize(
    ("error", "cure", "word"),
    [
        (mysql(1213), Cure.REPEAT, "busy"),
        (mysql(1205), Cure.REPEAT, "busy"),
        (mysql(9007), Cure.REPEAT, "busy"),
        (mysql(1040), Cure.REPEAT, "busy"),
        (mysql(1290), Cure.RECONNECT, "read_only"),
        (mysql(1792), Cure.RECONNECT, "read_only"),
        (mysql(1836), Cure.RECONNECT, "read_only"),
        (mysql(1047, "WSREP has not yet prepared node for application use"), Cure.RECONNECT, "read_only"),
        (mysql(3100), Cure.RECONNECT, "read_only"),
        (mysql(1053), Cure.RECONNECT, "unreachable"),
        (mysql(2006), Cure.RECONNECT, "unreachable"),
        (mysql(2013), Cure.RECONNECT, "unreachable"),
        (mysql(0, kind=pymysql.err.InterfaceError), Cure.RECONNECT, "unreachable"),
        (mysql(2003, "Connection refused"), Cure.WAIT, "unreachable"),
        (mysql(2003, "its certificate is not accepted: unable to get issuer"), Cure.OPERATOR, "tls"),
        (mysql(9003), Cure.WAIT, "busy"),
        (mysql(1142), Cure.OPERATOR, "no_rights"),
        (mysql(1044), Cure.OPERATOR, "no_rights"),
        (mysql(1045), Cure.OPERATOR, "login_refused"),
        (mysql(2059), Cure.OPERATOR, "login_refused"),
        (mysql(1049), Cure.OPERATOR, "no_database"),
        (mysql(1146, kind=pymysql.err.ProgrammingError), Cure.OPERATOR, "schema"),
        (mysql(1054), Cure.OPERATOR, "schema"),
        (mysql(1021), Cure.OPERATOR, "full"),
        (mysql(1114), Cure.OPERATOR, "full"),
        (mysql(1030, 'Got error 28 "No space left on device" from storage engine InnoDB'), Cure.OPERATOR, "full"),
        (mysql(1030, "Got error 168 from storage engine"), Cure.OPERATOR, "disk"),
        (mysql(1055), Cure.OPERATOR, "server_mode"),
        (mysql(1665), Cure.OPERATOR, "server_mode"),
        (mysql(4999), Cure.OPERATOR, "unknown"),
    ],
    ids=lambda value: f"{value.orig.args[0]}" if isinstance(value, DBAPIError) else "",
)
def test_the_table_of_mysql(error: DBAPIError, cure: Cure, word: str) -> None:
    fault = faults.of(error)
    assert fault is not None
    assert (fault.cure, fault.word) == (cure, word)
    assert "DATABASE_URL" in fault.explain("1")


@pytest.mark.parametrize(
    "error", [mysql(1406, kind=pymysql.err.DataError), mysql(1452, kind=pymysql.err.IntegrityError)]
)
def test_an_error_that_the_code_has_made_stays_one(error: DBAPIError) -> None:
    assert faults.of(error) is None


def test_no_number_has_two_meanings() -> None:
    numbers = [number for every in faults._MYSQL.values() for number in every]
    assert sorted(numbers) == sorted(set(numbers))


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Database]:
    with migrated_database(f"sqlite:///{tmp_path / 'authsvc.db'}") as database:
        yield database


def insert(connection: Connection) -> None:
    values = f"('{time.monotonic_ns()}', 1, 1)"
    connection.exec_driver_sql(f"INSERT INTO decrypt_failures (key_hash, failures, failed_at) VALUES {values}")


def on_each_connection(database: Database, pragma: str) -> Callable[[], None]:
    """Let what is opened from now on be told this first; returns the way back."""

    def tell(dbapi: Any, _record: Any) -> None:
        dbapi.execute(pragma)

    def anew() -> None:
        database._engine.dispose()

    event.listen(database._engine, "connect", tell)
    anew()

    def undo() -> None:
        event.remove(database._engine, "connect", tell)
        anew()

    return undo


def test_a_full_sqlite_file_is_ours_and_readiness_says_so(sqlite: Database) -> None:
    ((pages,),) = rows(sqlite, "PRAGMA page_count")
    undo = on_each_connection(sqlite, f"PRAGMA max_page_count = {pages}")

    def fill(connection: Connection) -> None:
        for number in range(10_000):
            connection.exec_driver_sql(f"INSERT INTO decrypt_failures VALUES ('{number:060}', 1, 1)")

    with pytest.raises(DatabaseUnusable, match=r"\(full, "):
        sqlite.run(fill)
    assert sqlite.condition().word == "full"
    undo()
    sqlite._fitness._looked_at = 0.0  # a second later
    assert sqlite.condition().word is None
    assert rows(sqlite, "SELECT COUNT(*) FROM decrypt_failures") == [(0,)]


@pytest.mark.parametrize(
    ("harm", "word"),
    [
        (lambda path: path.write_bytes(b"not a database at all" * 1000), "disk"),
        (lambda path: path.write_bytes(path.read_bytes()[:4096] + bytes(len(path.read_bytes()) - 4096)), "disk"),
        (lambda path: sqlite3.connect(path).execute("ALTER TABLE decrypt_failures RENAME TO elsewhere"), "schema"),
        (lambda path: sqlite3.connect(path).execute("ALTER TABLE decrypt_failures DROP COLUMN failures"), "schema"),
    ],
    ids=["other content", "damaged pages", "no table", "no column"],
)
def test_a_harmed_sqlite_file_is_ours(sqlite: Database, tmp_path: Path, harm: Callable[[Path], Any], word: str) -> None:
    sqlite.empty_log()
    sqlite._engine.dispose()
    harm(tmp_path / "authsvc.db")
    with pytest.raises(DatabaseUnusable, match=rf"\({word}, "):
        sqlite.run(insert)
    assert sqlite.condition().word == word


def test_a_sqlite_file_that_was_put_in_the_place_of_another_is_used_at_once(sqlite: Database, tmp_path: Path) -> None:
    """As when a backup is put back: SQLite refuses to write to the one that has lost its name."""
    path = tmp_path / "authsvc.db"
    sqlite.run(insert)
    sqlite.empty_log()
    (tmp_path / "backup.db").write_bytes(path.read_bytes())
    (tmp_path / "backup.db").rename(path)
    sqlite.run(insert)
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT COUNT(*) FROM decrypt_failures").fetchone() == (2,)
    connection.close()


def test_a_read_only_sqlite_file_is_ours(sqlite: Database) -> None:
    undo = on_each_connection(sqlite, "PRAGMA query_only = ON")
    with pytest.raises(DatabaseUnusable, match=r"\(read_only, "):
        sqlite.run(insert)
    assert sqlite.condition().word == "read_only"
    undo()
    sqlite.run(insert)


def test_a_locked_sqlite_file_is_busy_and_counts_as_working_for_a_while(sqlite: Database, tmp_path: Path) -> None:
    assert sqlite.condition().word is None
    other = sqlite3.connect(tmp_path / "authsvc.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    fitness = sqlite._fitness
    fitness._looked_at = 0.0
    started = time.monotonic()
    assert sqlite.condition().word is None
    assert time.monotonic() - started < 2
    fitness._looked_at, fitness._wrote_at = 0.0, time.monotonic() - 31
    assert sqlite.condition().word == "busy"
    other.execute("ROLLBACK")
    other.close()
    fitness._looked_at = 0.0
    assert sqlite.condition().word is None


def test_an_idle_connection_to_a_server_is_replaced(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    database: Database = request.getfixturevalue("_mysql")

    def which() -> int:
        return int(rows(database, "SELECT CONNECTION_ID()")[0][0])

    monkeypatch.setattr(connections, "_IDLE_SECONDS", 3600.0)
    database._engine.dispose()  # or connections of tests before take turns
    first = which()
    assert which() == first
    monkeypatch.setattr(connections, "_IDLE_SECONDS", -1.0)
    assert which() != first
