"""Migrations that are killed, in processes of their own: ``python -m tests.harness.migrating URL MODE…``.

MODE is ``stepwise`` (killed again and again, each time a statement later than what is left from the last time),
``sample`` (the same in steps of seven), ``each`` (for every statement: an empty database, killed before it, run again)
or ``together`` (four at once). The database at URL is emptied first. What it prints is how often something was killed.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flask import Flask
from flask_migrate import Migrate, upgrade
from sqlalchemy import Engine, create_engine, event, text
from sqlalchemy.engine import make_url

from authsvc.app import MIGRATIONS
from authsvc.db import engine, sqlitefile
from authsvc.db.models import db

_KILLED = 86
_READS = ("SELECT", "SHOW", "DESCRIBE", "PRAGMA", "SET")


def upgraded(url: str, writes: int | None = None) -> bool:
    """Migrate in a process that is gone before the statement (or commit) after ``writes`` others; True if it ends."""
    child = os.fork()
    if child:
        ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert ended in (0, _KILLED), f"the migration failed with {ended}"
        return ended == 0
    try:
        if writes is not None:
            _die_after(writes)
        _upgrade(url)
        os._exit(0)
    except BaseException as error:  # what ends a child must not run the parent's code
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        os._exit(1)


def _die_after(writes: int) -> None:
    left = [writes]

    def count(*_: Any) -> None:
        if left[0] == 0:
            os._exit(_KILLED)
        left[0] -= 1

    def look(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if not statement.lstrip().startswith(_READS):
            count()

    event.listen(Engine, "before_cursor_execute", look)
    event.listen(Engine, "commit", count)


def _upgrade(url: str) -> None:
    app = Flask("tests")
    sqlitefile.prepare(url)
    app.config["SQLALCHEMY_DATABASE_URI"] = url
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = engine.options(url, 1)
    db.init_app(app)
    Migrate(app, db, directory=MIGRATIONS)
    with app.app_context():
        engine.listen(db.engine)
        upgrade(directory=MIGRATIONS)


def schema(url: str) -> dict[str, str]:
    """Everything that is there, by name, in the database's own words."""
    there = create_engine(url)
    with there.begin() as connection:
        if there.dialect.name == "sqlite":
            found = dict(connection.execute(text("SELECT name, sql FROM sqlite_master")).all())
        else:
            names = connection.scalars(text("SHOW TABLES")).all()
            found = {name: connection.execute(text(f"SHOW CREATE TABLE `{name}`")).one()[1] for name in names}
        if "authsvc_migrations" in found:
            found["version"] = str(connection.scalars(text("SELECT version_num FROM authsvc_migrations")).all())
    there.dispose()
    return found


def _empty(url: str) -> None:
    where = make_url(url)
    if where.drivername == "sqlite":
        for ending in ("", "-wal", "-shm"):
            Path(f"{where.database}{ending}").unlink(missing_ok=True)
        return
    there = create_engine(url)
    with there.begin() as connection:
        connection.execute(text(f"DROP DATABASE `{where.database}`"))
        connection.execute(text(f"CREATE DATABASE `{where.database}` CHARACTER SET utf8mb4"))
    there.dispose()


def _stepwise(url: str, stride: int = 1) -> int:
    """Die each time so many statements further than the last time, if that leads to anything that stays."""
    kills, writes, seen = 0, 0, schema(url)
    while not upgraded(url, writes):
        kills += 1
        now = schema(url)
        writes, seen = (stride, now) if now != seen else (writes + stride, seen)
    return kills


def _each(url: str, clean: dict[str, str]) -> int:
    kills = 0
    while True:
        _empty(url)
        if upgraded(url, kills):
            return kills
        kills += 1
        assert upgraded(url)
        assert schema(url) == clean, kills


def _together(url: str) -> int:
    children = [_start(url) for _ in range(4)]
    for child in children:
        ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert ended == 0, f"one of four failed with {ended}"
    return 0


def _start(url: str) -> int:
    child = os.fork()
    if child == 0:
        os._exit(0 if upgraded(url) else 1)
    return child


def main(url: str, *modes: str) -> int:
    """Return how often it was killed; each time the schema ends as an undisturbed migration makes it."""
    _empty(url)
    assert upgraded(url)
    clean = schema(url)
    ways: dict[str, Callable[[], int]] = {
        "stepwise": lambda: _stepwise(url),
        "sample": lambda: _stepwise(url, 7),
        "each": lambda: _each(url, clean),
        "together": lambda: _together(url),
    }
    kills = 0
    for mode in modes:
        _empty(url)
        kills += ways[mode]()
        found = schema(url)
        assert found == clean, {name for name in clean.keys() | found.keys() if clean.get(name) != found.get(name)}
    return kills


if __name__ == "__main__":
    sys.stdout.write(f"{main(*sys.argv[1:])}\n")
