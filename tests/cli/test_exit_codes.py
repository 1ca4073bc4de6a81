"""Every command, and those to come: how it ends while the database is away, locked or of no use."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from importlib.metadata import entry_points
from pathlib import Path

import click
import pytest

from authsvc.cli import authsvc
from authsvc.cli.migrations import flask_db
from authsvc.cli.refusals import Group
from authsvc.signing.keyfile import KEY_FILE, change_key_file, create_key_file, new_key
from authsvc.signing.keyset import KeySet
from tests.harness.commands import run_all
from tests.harness.processes import free_port
from tests.harness.service import Service

# What a command needs beside its required arguments, to come as far as the database.
MORE = {
    "users find": ("--id", "1"),
    "users enable": ("1",),
    "users unmerge": ("--reason", "x"),
    "users merge": ("--yes", "--into", "2", "--reason", "x"),
    "users erase": ("--yes",),
    "invites assign": ("A",),
    "invites disable": ("--yes", "A"),
    "services remove": ("--yes",),
    "operators remove": ("--yes",),
    "webhooks remove": ("--yes",),
    "deliver": ("--once",),
}
# What asks no database.
APART = ("init", "errors", "keys list", "keys export", "routes", "token show", "token refresh")


def commands(group: click.Group, *path: str) -> Iterator[tuple[str, click.Command]]:
    """Yield each command below a group with its whole name."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, *path, name)
        else:
            yield " ".join((*path, name)), command


# What starts other programs, and what makes the database usable: tests/cli/test_program.py. What is there for databases
# that do not work: tests/doctor/.
ELSEWHERE = ("run", "demo", "db", "doctor")
COMMANDS = {name: command for name, command in commands(authsvc) if name.split()[0] not in ELSEWHERE}


def required(command: click.Command, folder: Path) -> Iterator[str]:
    """Yield a value for each parameter that a command cannot do without."""
    for parameter in command.params:
        if not parameter.required:
            continue
        if isinstance(parameter, click.Option):
            yield parameter.opts[0]
        if isinstance(parameter.type, click.File):
            file = folder / "codes.csv"
            file.write_text("code\nA\n")
            yield str(file)
        elif isinstance(parameter.type, click.Path):
            yield str(folder / "out.html")
        elif isinstance(parameter.type, click.Choice):
            yield parameter.type.choices[0]
        elif parameter.name == "url":
            yield "https://example.com/"
        else:
            yield "1" if "int" in parameter.type.name else "x"


Ends = Callable[[str], dict[str, tuple[int, str, str]]]


@pytest.fixture
def ends(sqlite_service: Service, tmp_path: Path) -> Ends:
    """Runs every command on a database; gives exit code, output and errors without log lines, by name."""
    instance = tmp_path / "instance"
    create_key_file(instance / KEY_FILE)
    change_key_file(instance / KEY_FILE, lambda keys: [*keys, new_key(0)])
    environment = {**sqlite_service.environment, "INSTANCE_PATH": str(instance), "CHANGES_RETENTION_DAYS": "30"}

    def run(url: str) -> dict[str, tuple[int, str, str]]:
        waiting = KeySet.load(instance / KEY_FILE).keys[1].kid
        more = {**MORE, "keys retire": ("--yes", waiting), "init": ("--instance", str(instance))}
        wanted = [
            ["authsvc", *name.split(), *required(command, tmp_path), *more.get(name, ())]
            for name, command in COMMANDS.items()
        ]
        ended = run_all({**environment, "DATABASE_URL": url}, tmp_path, wanted)
        assert len(KeySet.load(instance / KEY_FILE).keys) == 2
        return {
            name: (code, output, "".join(line for line in errors.splitlines(True) if not line.startswith("{")))
            for name, (code, output, errors) in zip(COMMANDS, ended, strict=True)
        }

    return run


@contextmanager
def away(folder: Path, _: Service) -> Iterator[str]:
    yield f"mysql://root@127.0.0.1:{free_port()}/authsvc"


@contextmanager
def locked(folder: Path, service: Service) -> Iterator[str]:
    """Readers wait as well: nobody else has the file at all."""
    file = folder / "locked.db"
    with closing(service.connect()) as source, closing(sqlite3.connect(file)) as copy:
        source.backup(copy)
    with closing(sqlite3.connect(file, isolation_level=None)) as holder:
        for statement in ("PRAGMA journal_mode=WAL", "PRAGMA locking_mode=EXCLUSIVE", "BEGIN IMMEDIATE"):
            holder.execute(statement)
        yield f"sqlite:///{file}"


@contextmanager
def unusable(folder: Path, _: Service) -> Iterator[str]:
    yield f"sqlite:///{folder / 'empty.db'}"


@pytest.mark.parametrize(
    "database, expected, sentence",
    [
        (away, 75, "the server of DATABASE_URL cannot be reached"),
        (locked, 75, "the database of DATABASE_URL is locked or overloaded"),
        (unusable, 1, "run: authsvc db upgrade"),
    ],
)
@pytest.mark.slow
def test_every_command_ends_in_the_same_way_while_the_database_does_not_work(
    ends: Ends,
    sqlite_service: Service,
    tmp_path: Path,
    database: Callable[[Path, Service], AbstractContextManager[str]],
    expected: int,
    sentence: str,
) -> None:
    (tmp_path / "database").mkdir()
    with database(tmp_path / "database", sqlite_service) as url:
        ended = ends(url)
    apart = {name: ended.pop(name) for name in APART}
    assert {name: (code, errors) for name, (code, _, errors) in apart.items()} == dict.fromkeys(APART, (0, ""))
    assert {name: (code, output) for name, (code, output, _) in ended.items()} == dict.fromkeys(ended, (expected, ""))
    for name, (_, _, errors) in ended.items():
        assert errors.startswith("Error: ") and errors.count("\n") == 1 and sentence in errors, (name, errors)


def test_no_command_is_anywhere_else() -> None:
    def groups(command: click.Command) -> Iterator[click.Group]:
        if isinstance(command, click.Group):
            yield command
            for inner in command.commands.values():
                yield from groups(inner)

    assert [type(group) for group in groups(authsvc)] == [Group] * 11
    ours = [entry for entry in entry_points(group="flask.commands") if entry.value.startswith("authsvc")]
    assert [entry.load() for entry in ours] == [authsvc, flask_db]
    assert set(authsvc.commands["db"].commands) < set(flask_db.commands)  # and what Flask-Migrate has
    assert len(COMMANDS) > 30
