"""The program ``authsvc``: the same commands without Flask's, in a folder that has neither checkout nor settings."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import authsvc
from tests.harness.databases import MYSQL_URL, skip_without_mysql
from tests.harness.processes import free_port
from tests.harness.service import Service


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
        "revision  none\nnewest    0014\nnext: authsvc db upgrade\n",
        "",
    )
    assert run(tmp_path, "db", "check", **given) == (
        1,
        "",
        "Error: the database of DATABASE_URL has no migration, not 0014; run: authsvc db upgrade\n",
    )
    assert run(tmp_path, "db", "upgrade", **given) == (0, "upgraded  empty to 0014\n", "")
    assert run(tmp_path, "db", "upgrade", **given) == (0, "up to date  0014\n", "")
    assert run(tmp_path, "db", "check", **given) == (0, "up to date  0014\n", "")
    code, said, _ = run(tmp_path, "db", "current", "--json", **given)
    assert (code, json.loads(said)) == (0, {"revision": "0014", "newest": "0014", "migrated": True})
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
