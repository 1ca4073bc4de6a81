"""``flask authsvc invites``: what is printed, what is refused and why, and what the exit code is."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner, Result
from flask import Flask

from authsvc.cli.invites import invites
from authsvc.clock import SystemClock
from authsvc.db.database import Database
from authsvc.db.queries import users
from authsvc.errors import ServiceBusy
from authsvc.services.invites.campaigns import Campaigns
from authsvc.values.people import Profile
from tests.harness.inprocess import empty


class Shell:
    """Runs the commands on a database."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.app = Flask("tests")
        self.app.extensions["authsvc"] = SimpleNamespace(campaigns=Campaigns(database, SystemClock()))

    def run(self, *arguments: object, text: str | None = None) -> Result:
        with self.app.app_context():
            return CliRunner().invoke(invites, [str(argument) for argument in arguments], input=text)

    def lines(self, *arguments: object) -> list[str]:
        """What it prints when all goes well."""
        result = self.run(*arguments)
        assert result.exit_code == 0, result.output
        return result.stdout.splitlines()


@pytest.fixture
def shell(database: Database) -> Shell:
    return Shell(database)


@pytest.fixture
def shells(database: Database, request: pytest.FixtureRequest) -> Iterator[list[Shell]]:
    """One on SQLite, one on MySQL or MariaDB."""
    other: Database = request.getfixturevalue("_mysql")
    empty(other)
    return [Shell(database), Shell(other)]


def test_a_batch_is_filled_listed_and_counted(shell: Shell) -> None:
    filling = ["seed", "--batch", "spring", "--count", 12, "--prefix", "SP-", "--uses", 2, "--expires", "2099-12-31"]
    assert shell.lines(*filling)[-1] == "spring: 12 codes, 12 of them new"
    assert shell.lines(*filling) == ["spring: 12 codes, 0 of them new"]
    head, first, second, more = shell.lines("list", "--batch", "spring", "--limit", 2)
    assert head.split() == ["code", "batch", "owner", "uses", "expires", "state"]
    assert first.split()[1:] == ["spring", "1", "0/2", "2100-01-01T00:00:00+08:00", "open"]
    assert first.startswith("SP-") and second.split()[2] == "2" and more.startswith("… and 10 more")
    assert [line.split() for line in shell.lines("stats")[1:]] == [["spring", "12", "0", "0", "0", "0", "0"]]


def test_codes_are_handed_over_and_taken_out_of_use(shell: Shell) -> None:
    user = shell.database.run(lambda connection: users.insert(connection, Profile(), 1).id)
    shell.lines("seed", "--batch", "spring", "--count", 5)
    assert shell.lines("assign", user, "--batch", "spring", "--count", 2) == [f"assigned to user {user}: 2"]
    third = shell.lines("list", "--batch", "spring")[3].split()[0]
    assert shell.lines("assign", user, third) == [f"assigned to user {user}: 1"]
    assert len(shell.lines("list", "--owner", user)) == 4
    assert shell.lines("disable", third, "--yes") == ["disabled: 1"]
    assert shell.lines("disable", "--batch", "spring", "--yes") == ["disabled: 4"]
    assert {line.split()[-1] for line in shell.lines("list")[1:]} == {"disabled"}


def test_what_one_service_exports_another_imports_once(shells: list[Shell], tmp_path: Path) -> None:
    here, there = shells
    file = tmp_path / "codes.csv"
    here.lines("seed", "--batch", "spring", "--count", 1200, "--prefix", "X-", "--uses", 3, "--expires", "2099-12-31")
    here.lines("disable", "--batch", "spring", "--yes")
    here.lines("seed", "--batch", "plain", "--count", 3)
    assert here.lines("export", "--out", file) == []
    head, first, *_ = file.read_text().splitlines()
    assert head == "code,batch,owner,max_uses,uses,expires_at,disabled"
    assert first.split(",")[1:] == ["spring", "", "3", "0", "2100-01-01T00:00:00+08:00", "yes"]
    assert there.lines("import", file)[-1] == "added: 1203, already there: 0"
    assert there.lines("import", file)[-1] == "added: 0, already there: 1203"
    assert there.lines("export") == file.read_text().splitlines()
    assert there.lines("list", "--batch", "spring") == here.lines("list", "--batch", "spring")


def test_a_file_of_a_spreadsheet_is_read(shell: Shell, tmp_path: Path) -> None:
    """A byte order mark, CRLF, columns in another order, quotes."""
    file = tmp_path / "codes.csv"
    file.write_bytes('\ufeffmax_uses,"code"\r\n,ABC\r\n5,"DEF"\r\n'.encode())
    assert shell.lines("import", file)[-1] == "added: 2, already there: 0"
    assert [line.split()[:2] for line in shell.lines("list")[1:]] == [["ABC", "0/∞"], ["DEF", "0/5"]]


@pytest.mark.parametrize(
    "text, why",
    [
        ("", "including code"),
        ("ABC\nDEF\n", "including code"),
        ("code,max_use\nA,1\n", "unknown columns: max_use"),
        ("code\nA B\n", "line 2: a code must be 1 to 20"),
        ("code\nＡＢ\n", "line 2: a code must be 1 to 20"),
        ("code\nA\nA\n", "line 3: A occurs twice"),
        ("code,owner\nA\n", "line 2: the number of fields differs"),
        ("code\nA,B\n", "line 2: the number of fields differs"),
        ("code,max_uses\nA,many\n", "line 2: max_uses must be a number"),
        ("code,max_uses\nA,0\n", "line 2: max_uses must be a number"),
        ("code,max_uses\nA,99999999999\n", "line 2: max_uses must be a number"),
        ("code,owner\nA,١\n", "line 2: owner must be a number"),
        ("code,owner\nA,7\n", "no active user 7"),
        ("code,expires_at\nA,2027-03-31T18:00\n", "line 2: expires_at must be a day"),
        ("code,expires_at\nA,morgen\n", "line 2: expires_at must be a day"),
        ("code,disabled\nA,no\n", "line 2: disabled must be yes or empty"),
        ("code,batch\nA,a/b\n", "line 2: a batch must be"),
        ('code\n"A\n', "not CSV"),
        ("code\n" + "A B\n" * 30, "… and 10 more"),
    ],
)
def test_a_bad_file_is_refused_as_a_whole(shell: Shell, text: str, why: str) -> None:
    result = shell.run("import", "-", text=text)
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: ") and why in result.stderr
    assert result.stdout == "" and len(shell.lines("list")) == 1


def test_a_file_that_is_not_utf_8_is_refused(shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "codes.csv"
    file.write_bytes("code\n春\n".encode("gbk"))
    assert "the file is not UTF-8" in shell.run("import", file).stderr


@pytest.mark.parametrize(
    "arguments, code, why",
    [
        (["seed", "--batch", "x"], 2, "Missing option '--count'"),
        (["seed", "--batch", "x", "--count", "0"], 2, "0 is not in the range"),
        (["seed", "--batch", "x", "--count", "5", "--expires", "2020-01-01"], 2, "is in the past"),
        (["seed", "--batch", "x", "--count", "5", "--expires", "2099-01-01T00:00"], 2, "neither a day"),
        (["seed", "--batch", "x", "--count", "5", "--length", "3"], 1, "need 5 random characters"),
        (["disable"], 2, "give either codes or a --batch"),
        (["assign", "1", "A", "--batch", "x"], 2, "give either codes or a --batch"),
        (["assign", "7", "--batch", "x"], 1, "no active user 7"),
        (["list", "--batch", "nix"], 1, "there is no batch nix"),
        (["export", "--batch", "nix"], 1, "there is no batch nix"),
    ],
)
def test_exit_codes_are_those_of_the_help(shell: Shell, arguments: list[str], code: int, why: str) -> None:
    result = shell.run(*arguments)
    assert (result.exit_code, result.stdout) == (code, "")
    assert why in result.stderr


@pytest.mark.parametrize(
    "raised, code, why",
    [(KeyboardInterrupt(), 130, "continue where"), (ServiceBusy("OperationalError 2003"), 75, "2003")],
)
def test_what_stops_a_command_is_told(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, raised: BaseException, code: int, why: str
) -> None:
    def stop(*_: object, **__: object) -> None:
        raise raised

    monkeypatch.setattr(Campaigns, "_add", stop)
    result = shell.run("seed", "--batch", "x", "--count", "5")
    assert (result.exit_code, result.stdout) == (code, "")
    assert why in result.stderr and "Traceback" not in result.stderr
