"""SQLite's files after an erasure: what secure_delete leaves is there to be found, and goes."""

import random
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from authsvc.db import database as transactions
from authsvc.db import personaldata, remnants
from authsvc.db.database import Database
from authsvc.errors import ServiceBusy
from tests.harness.inprocess import migrated_database, rows

pytestmark = pytest.mark.slow

SEED = 4
STEPS = 3000


@pytest.fixture
def place(tmp_path: Path) -> Iterator[tuple[Database, Path]]:
    with migrated_database(f"sqlite:///{tmp_path}/authsvc.db") as database:
        yield database, tmp_path


def found(folder: Path, marks: set[str]) -> list[str]:
    content = b"".join(path.read_bytes() for path in folder.glob("authsvc.db*"))
    return [mark for mark in marks if mark.encode() in content]


def live_and_leave(database: Database) -> set[str]:
    """People come, change what is stored about them, and are erased; return what was stored about those."""
    chance = random.Random(SEED)
    present: dict[int, list[str]] = {}
    gone: set[str] = set()

    def mark(length: int = 28) -> str:
        return "".join(chance.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=length))

    def step(connection, number: int) -> None:
        action = chance.random()
        if action < 0.5 or not present:
            marks = [mark(chance.randint(12, 60)), mark(11), mark(), mark(), mark(120)]
            present[number] = marks
            run = connection.exec_driver_sql
            run("INSERT INTO users (id, nickname, country_code, phone, created_at, updated_at, last_login_at)"
                " VALUES (?, ?, '86', ?, 0, 0, 0)", (number, *marks[:2]))  # fmt: skip
            run("INSERT INTO identities (appid, openid, unionid, user_id, session_key, created_at)"
                " VALUES ('wx', ?, ?, ?, ?, 0)", (*marks[2:4], number, marks[4]))  # fmt: skip
            run("INSERT INTO unionids (unionid, user_id) VALUES (?, ?)", (marks[3], number))
            return
        person = chance.choice(list(present))
        if action < 0.8:
            present[person] += (name := mark(chance.randint(12, 60)), key := mark(120))
            connection.exec_driver_sql("UPDATE users SET nickname = ? WHERE id = ?", (name, person))
            connection.exec_driver_sql("UPDATE identities SET session_key = ? WHERE user_id = ?", (key, person))
            return
        personaldata.erase(connection, person, 0)
        remnants.note(connection)
        gone.update(present.pop(person))

    for number in range(1, STEPS):
        database.run(lambda connection, number=number: step(connection, number))
    return gone


def test_what_secure_delete_leaves_is_gone_after_a_scrub(
    place: tuple[Database, Path], figures: Callable[[str], None]
) -> None:
    database, folder = place
    marks = live_and_leave(database)
    assert database.empty_log()
    assert (folder / "authsvc.db-wal").stat().st_size == 0
    left = found(folder, marks)
    database.scrub()
    after = found(folder, marks)
    figures(
        f"erased values in SQLite's files: of {len(marks)}, {len(left)} left by secure_delete and an empty log"
        f" (the broken twin), {len(after)} after a scrub"
    )
    assert len(left) > 0, "without this the test shows nothing: choose another SEED"
    assert after == []
    assert rows(database, "PRAGMA user_version") == [(0,)]


def test_a_file_is_written_anew_only_when_somebody_was_erased(place: tuple[Database, Path]) -> None:
    database, _ = place
    ((by_migrations,),) = rows(database, "PRAGMA freelist_count")
    database.run(lambda connection: connection.exec_driver_sql("DROP INDEX ix_users_closed_at"))
    for _ in range(2):  # the page of the index is free until a VACUUM
        assert rows(database, "PRAGMA freelist_count") == [(by_migrations + 1,)]
        database.scrub()
    database.run(remnants.note)
    database.scrub()
    assert rows(database, "PRAGMA freelist_count") == [(0,)]


def test_whoever_is_erased_while_the_file_is_written_is_not_overlooked(
    place: tuple[Database, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    database, _ = place
    database.run(remnants.note)
    clear = remnants._clear_note

    def erased_meanwhile(cursor, noted: int) -> None:
        cursor.execute("BEGIN IMMEDIATE")
        cursor.execute(f"PRAGMA user_version = {noted + 1}")
        cursor.execute("COMMIT")
        clear(cursor, noted)

    monkeypatch.setattr(remnants, "_clear_note", erased_meanwhile)
    database.scrub()
    assert rows(database, "PRAGMA user_version") == [(2,)]


def test_while_somebody_reads_an_older_state_the_log_stays_and_it_is_said(
    place: tuple[Database, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    database, folder = place
    monkeypatch.setattr(transactions, "_A_WHILE", 0.2)
    with sqlite3.connect(folder / "authsvc.db", isolation_level=None) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT COUNT(*) FROM users").fetchone()
        database.run(remnants.note)
        assert not database.empty_log()
        with pytest.raises(ServiceBusy):
            database.scrub()
        reader.execute("COMMIT")
        database.scrub()
    assert (folder / "authsvc.db-wal").stat().st_size == 0
