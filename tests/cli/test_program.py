"""The program ``authsvc``: the same commands without Flask's, in a folder that has neither checkout nor settings."""

import contextlib
import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

import authsvc
from authsvc.cli import authsvc as program
from tests.cli.test_exit_codes import commands
from tests.harness.databases import MYSQL_URL, skip_without_mysql
from tests.harness.places import MIGRATIONS, NEWEST
from tests.harness.processes import free_port
from tests.harness.service import Service

pytestmark = pytest.mark.slow

COMMANDS = dict(commands(program))


def run(folder: Path, *arguments: str, **settings: str) -> tuple[int, str, str]:
    """Run a command with no settings but these; return exit code, output and errors without log lines."""
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "TMPDIR")}
    done = subprocess.run(
        [sys.executable, "-m", "authsvc", *arguments],
        env={**kept, **settings},
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout, "".join(line for line in done.stderr.splitlines(True) if line[0] != "{")


@pytest.fixture(scope="module")
def settings(sqlite_service: Service) -> dict[str, str]:
    """What the program needs, and no more."""
    needed = ("INSTANCE_PATH", "WX_APPID", "WX_SECRET", "PUBLIC_BASE_URL", "SECRET_KEYS")
    return {name: sqlite_service.environment[name] for name in needed}


def test_it_tells_its_version_and_helps_without_any_settings(tmp_path: Path) -> None:
    assert run(tmp_path, "--version") == (0, f"authsvc {authsvc.__version__}\n", "")
    for arguments in (("--help",), ("db", "upgrade", "--help"), ("users", "--help"), ("run", "--help")):
        code, said, errors = run(tmp_path, *arguments)
        assert (code, said.split()[0], errors) == (0, "Usage:", "")
    assert list(tmp_path.iterdir()) == []


def test_the_tables_are_made_and_looked_at_with_nothing_of_flask(settings: dict[str, str], tmp_path: Path) -> None:
    given = {**settings, "DATABASE_URL": f"sqlite:///{tmp_path / 'new.db'}"}
    assert run(tmp_path, "db", "current", **given) == (
        0,
        f"revision  none\nnewest    {NEWEST}\nnext: authsvc db upgrade\n",
        "",
    )
    assert run(tmp_path, "db", "check", **given) == (
        1,
        "",
        f"Error: the database of DATABASE_URL has no tables of authsvc, and this is version {NEWEST};"
        " run: authsvc db upgrade\n",
    )
    code, said, errors = run(tmp_path, "db", "upgrade", **given)
    assert (code, [line.split()[0] for line in said.splitlines()[:-1]], errors) == (
        0,
        MIGRATIONS,
        "",
    )
    assert said.splitlines()[-1:] == [f"up to date  {NEWEST}"]
    assert run(tmp_path, "db", "upgrade", **given) == (0, f"up to date  {NEWEST}\n", "")
    assert run(tmp_path, "db", "check", **given) == (0, f"up to date  {NEWEST}\n", "")
    code, said, _ = run(tmp_path, "db", "current", "--json", **given)
    assert (code, json.loads(said)) == (0, {"revision": NEWEST, "newest": NEWEST, "migrated": True})
    assert "--sql works for MySQL and MariaDB only" in run(tmp_path, "db", "upgrade", "--sql", **given)[2]
    elsewhere = {**settings, "DATABASE_URL": f"mysql://root@127.0.0.1:{free_port()}/authsvc"}
    assert "CREATE TABLE users" in run(tmp_path, "db", "upgrade", "--sql", **elsewhere)[1]


def test_what_keeps_the_tables_from_being_made_is_a_sentence(settings: dict[str, str], tmp_path: Path) -> None:
    skip_without_mysql()
    away, nowhere = f"mysql://root@127.0.0.1:{free_port()}/authsvc", f"{MYSQL_URL}/authsvc_nonesuch"
    for command in ("upgrade", "current", "check"):
        code, _, errors = run(tmp_path, "db", command, **settings, DATABASE_URL=away)
        assert (code, errors.count("\n")) == (75, 1) and "cannot be reached; check that it runs" in errors
        code, _, errors = run(tmp_path, "db", command, **settings, DATABASE_URL=nowhere)
        assert (code, errors.count("\n")) == (1, 1) and "has no such database; create it" in errors


def test_run_is_gunicorn_with_the_configuration_of_the_package(settings: dict[str, str], tmp_path: Path) -> None:
    assert run(tmp_path, "run", "--check-config", **settings)[0] == 0
    code, said, errors = run(tmp_path, "run", "--check-config", **{**settings, "PORT": "http"})
    assert (code, said, errors) == (1, "", "authsvc does not start:\nPORT must be a whole number from 1 to 65535\n")
    assert "preload_app" in run(tmp_path, "run", "--print-config", **settings)[1]


def on_a_terminal(folder: Path, answer: str, *arguments: str, **settings: str) -> tuple[int, str]:
    """Run a command before which somebody sits; return exit code and what they saw."""
    ours, theirs = pty.openpty()
    with os.fdopen(ours, "r+b", buffering=0) as person:
        command = [sys.executable, "-m", "authsvc", *arguments]
        process = subprocess.Popen(command, env=settings, cwd=folder, stdin=theirs, stdout=theirs, stderr=theirs)
        os.close(theirs)
        person.write(answer.encode())
        seen = b""
        with contextlib.suppress(OSError):  # how a terminal ends
            while part := person.read(1000):
                seen += part
        return process.wait(30), seen.decode()


def test_what_is_for_good_asks_a_person_and_refuses_without_one(settings: dict[str, str], tmp_path: Path) -> None:
    given = {**settings, "DATABASE_URL": f"sqlite:///{tmp_path / 'asks.db'}"}
    run(tmp_path, "db", "upgrade", **given)
    run(tmp_path, "services", "add", "billing", **given)
    said = "Error: Remove the credential billing: this cannot be undone, and nobody is there to ask; add --yes\n"
    assert run(tmp_path, "services", "remove", "billing", **given) == (1, "", said)
    code, seen = on_a_terminal(tmp_path, "n\n", "services", "remove", "billing", **given)
    assert code == 1 and "this cannot be undone. [y/N]" in seen and "Aborted!" in seen
    assert run(tmp_path, "services", "list", **given)[1].split()[:4] == ["name", "scopes", "created", "billing"]
    assert on_a_terminal(tmp_path, "y\n", "services", "remove", "billing", **given)[0] == 0
    assert run(tmp_path, "services", "list", "--json", **given)[1] == "[]\n"


# Every command that lists or shows, with arguments with which it succeeds on an empty database.
LISTING = {
    "audit": (),
    "errors": (),
    "routes": (),
    "db current": (),
    "invites list": (),
    "invites stats": (),
    "keys list": (),
    "operators list": (),
    "services list": (),
    "token show": (),
    "users conflicts": (),
    "webhooks list": (),
}
ON_SOMEBODY = (
    "doctor",
    "users find",
    "users sessions",
    "users merge",
    "users show",
    "webhooks dead",
    "session-keys check",
    "session-keys reset",
    "token refresh",
)


@pytest.fixture(scope="module")
def empty(settings: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A database without rows."""
    folder = tmp_path_factory.mktemp("empty")
    given = {**settings, "DATABASE_URL": f"sqlite:///{folder / 'empty.db'}"}
    run(folder, "db", "upgrade", **given)
    return given


def test_everything_that_lists_or_shows_can_print_json(empty: dict[str, str], tmp_path: Path) -> None:
    have = {name for name, command in COMMANDS.items() if "--json" in [o for p in command.params for o in p.opts]}
    assert have == {*LISTING, *ON_SOMEBODY}
    lists = {name for name in COMMANDS if name.split()[-1] in ("list", "show", "find", "stats", "current", "sessions")}
    assert lists <= have
    for name, arguments in LISTING.items():
        code, said, errors = run(tmp_path, *name.split(), *arguments, "--json", **empty)
        assert (code, errors) == (0, ""), name
        # Long lists are an object per line.
        assert (
            all(map(json.loads, said.splitlines()))
            if name in ("audit", "invites list")
            else json.loads(said) is not None
        )


def test_every_table_has_a_head_even_if_it_is_empty(empty: dict[str, str], tmp_path: Path) -> None:
    heads = {
        "audit": "time event user hash operator details",
        "invites list": "code batch owner uses expires state",
        "invites stats": "batch codes owned used up expired disabled uses",
        "operators list": "name role created rotated last used removed",
        "services list": "name scopes created",
        "users conflicts": "no conflicts",
        "webhooks list": "name url events scopes waiting since dead paused",
    }
    for name, head in heads.items():
        assert run(tmp_path, *name.split(), **empty)[1].split() == head.split(), name


def test_check_config_looks_at_the_database_too(settings: dict[str, str], tmp_path: Path) -> None:
    check = ("run", "--check-config")
    empty = f"sqlite:///{tmp_path / 'empty.db'}"
    code, _, errors = run(tmp_path, *check, **settings, DATABASE_URL=empty)
    assert code == 4 and errors.splitlines()[1].endswith("run: authsvc db upgrade") and errors.count("\n") == 2
    away = f"mysql://root@127.0.0.1:{free_port()}/authsvc"
    code, _, errors = run(tmp_path, *check, **settings, DATABASE_URL=away)
    assert code == 0 and "the server of DATABASE_URL cannot be reached" in errors and errors.count("\n") == 2
