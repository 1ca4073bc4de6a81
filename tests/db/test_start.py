"""Starting on a database that is not what it should be, and commands for one: sentences that say what to do."""

import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from authsvc.cli import authsvc
from authsvc.db import engine
from tests.harness.databases import MYSQL_URL, skip_without_mysql
from tests.harness.inprocess import beside
from tests.harness.processes import Process, free_port
from tests.harness.service import Service
from tests.harness.simulator import Simulator

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def relative(start_service: Callable[..., Service]) -> Service:
    return start_service("relative", workers=1, migrated=False, settings={"DATABASE_URL": "sqlite:///login.db"})


def test_a_relative_path_is_one_file_for_everybody_and_nobody_elses(simulator: Simulator, relative: Service) -> None:
    relative.flask("db", "upgrade")
    assert relative.login(simulator.code("relative")).status_code == 200
    files = {file.name: stat.S_IMODE(file.stat().st_mode) for file in (relative.folder / "instance").glob("login.db*")}
    assert files == {f"login.db{ending}": 0o600 for ending in ("", "-wal", "-shm", "-turns")}
    assert not (relative.folder / "login.db").exists()


def refusal(service: Service, url: str) -> str:
    """What gunicorn says when it is started with another address."""
    log = service.folder / "refused.txt"
    log.unlink(missing_ok=True)
    environment = {**service.environment, "DATABASE_URL": url, "PORT": str(free_port())}
    process = Process(service._command, log=log, env=environment, cwd=service.folder)
    try:
        assert process.wait(40) != 0
    finally:
        process.stop()
    said = log.read_text()
    assert "Traceback" not in said
    return said


def test_gunicorn_refuses_what_is_no_database_file(relative: Service) -> None:
    (relative.folder / "instance" / "notes.txt").write_text("buy milk")
    said = refusal(relative, "sqlite:///notes.txt")
    assert said.endswith("notes.txt already exists and is not a SQLite database\n")
    assert "authsvc does not start:\nDATABASE_URL: " in said


def told(service: Service, url: str, *arguments: str) -> str:
    """What a command of ours says, run in this process."""
    service.environment["DATABASE_URL"] = url
    try:
        with beside(service) as app:
            result = app.test_cli_runner().invoke(authsvc, arguments)
    finally:
        service.environment["DATABASE_URL"] = "sqlite:///login.db"
    assert result.exit_code in (1, 75)
    assert result.output.startswith("Error: ")
    return result.output


COMMANDS = [("users", "find", "--phone", "+8613800000001"), ("purge",), ("audit",), ("services", "add", "another")]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_commands_say_in_a_sentence_why_the_database_is_of_no_use(
    relative: Service, command: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine._Hurry, "statement_seconds", engine.ANSWER_SECONDS)  # a command takes its time
    nobody = told(relative, f"mysql://root@127.0.0.1:{free_port()}/authsvc", *command)
    assert "the server of DATABASE_URL cannot be reached" in nobody
    empty = told(relative, f"sqlite:///{tmp_path / 'empty.db'}", *command)
    assert "lacks a table or a column; run: authsvc db upgrade" in empty
    assert "Traceback" not in nobody + empty


def test_migrations_say_in_a_sentence_why_the_database_is_of_no_use(relative: Service) -> None:
    skip_without_mysql()
    wrong = {
        f"mysql://root@127.0.0.1:{free_port()}/authsvc": "the server of DATABASE_URL cannot be reached",
        f"{MYSQL_URL}/authsvc_nonesuch": "the server of DATABASE_URL has no such database; create it",
    }
    before = dict(relative.environment)
    for url, sentence in wrong.items():
        relative.environment["DATABASE_URL"] = url
        said = relative.flask("db", "upgrade", fails=True)
        relative.environment.update(before)
        assert sentence in said
        assert "Traceback" not in said
