"""``flask authsvc qrcodes``: which codes are meant, what is told, and what the sheet looks like."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner, Result
from flask import Flask

from authsvc import errors as e
from authsvc.cli.qrcodes import qrcodes
from authsvc.clock import SystemClock
from authsvc.db.database import Database
from authsvc.services.invites.campaigns import Campaigns
from authsvc.services.qrcodes.batches import Drawn, Stopped
from authsvc.values.invites import ImportedInvite

PICTURES = {"A1", "b-3"}


class CodeBatches:
    """Draws nothing: has a picture of some codes, notes what is asked for, and fails as told."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.fails: dict[str, e.AuthSvcError] = {}
        self.stops: BaseException | None = None

    def draw(self, invite_codes: Iterable[str], appid: str | None) -> Iterator[Drawn]:
        for code in invite_codes:
            self.asked.append(code)
            yield Drawn(code, is_new=code not in PICTURES, error=self.fails.get(code))
        if self.stops:
            raise self.stops

    def pictures(self, invite_codes: Iterable[str], appid: str | None) -> Iterator[tuple[str, bytes] | None]:
        for code in invite_codes:
            yield ("5e" * 16 + ".png", code.encode()) if code in PICTURES else None


class Shell:
    """Runs the commands over a few codes: A1 and b-3 have pictures, old is of no use any more."""

    def __init__(self, database: Database) -> None:
        campaigns = Campaigns(database, SystemClock())
        codes = [ImportedInvite("A1", "spring"), ImportedInvite("A2", "spring"), ImportedInvite("b-3")]
        list(campaigns.import_codes([*codes, ImportedInvite("old", is_disabled=True)]))
        self.batches = CodeBatches()
        self.app = Flask("tests")
        self.app.extensions["authsvc"] = SimpleNamespace(campaigns=campaigns, code_batches=self.batches)

    def run(self, *arguments: object, text: str | None = None) -> Result:
        with self.app.app_context():
            return CliRunner().invoke(qrcodes, [str(argument) for argument in arguments], input=text)


@pytest.fixture
def shell(database: Database) -> Shell:
    return Shell(database)


@pytest.mark.parametrize(
    "arguments, asked",
    [
        ([], ["A1", "A2", "b-3"]),
        (["--batch", "spring"], ["A1", "A2"]),
        (["b-3", "A1", "b-3", "old"], ["b-3", "A1"]),
        (["--file", "-"], ["A2", "b-3"]),
    ],
)
def test_the_codes_meant_are_drawn_once_each(shell: Shell, arguments: list[str], asked: list[str]) -> None:
    result = shell.run("make", *arguments, text="reason,code\nx,A2\ny,b-3\n")
    assert (result.exit_code, result.stderr) == (0, "")
    assert shell.batches.asked == asked
    last = result.stdout.splitlines()[-1]
    assert last.startswith("drawn: ") and ("skipped: 1" in last) == ("spring" not in arguments and asked[0] != "A2")


def test_an_empty_file_means_no_code_at_all(shell: Shell) -> None:
    assert shell.run("make", "--file", "-", text="code,reason\n").exit_code == 0
    assert shell.batches.asked == []


@pytest.mark.parametrize(
    "arguments, code, why",
    [
        (["make", "A1", "--batch", "spring"], 2, "give codes, a --batch or a --file"),
        (["make", "A1", "nope"], 1, "there is no code nope"),
        (["make", "--batch", "autumn"], 1, "there is no batch autumn"),
        (["make", "--file", "-"], 1, "including code"),
        (["make", "--file", "/nowhere"], 2, "No such file"),
        (["sheet"], 2, "Missing option '--out'"),
        (["sheet", "--out", "/"], 2, "is a directory"),
    ],
)
def test_what_cannot_be_meant_is_refused(shell: Shell, arguments: list[str], code: int, why: str) -> None:
    result = shell.run(*arguments, text="")
    assert (result.exit_code, result.stdout) == (code, "")
    assert why in result.stderr and shell.batches.asked == []


def test_failures_are_told_and_reported(shell: Shell, tmp_path: Path) -> None:
    shell.batches.fails = {"A2": e.WeChatMisconfigured('errcode 40129 ("invalid scene")')}
    report = tmp_path / "report.csv"
    result = shell.run("make", "--report", report)
    assert (result.exit_code, result.stdout.splitlines()[-1]) == (
        3,
        "drawn: 0, already there: 2, skipped: 1, failed: 1",
    )
    assert 'A2: wx_misconfigured: errcode 40129 ("invalid scene")' in result.stderr
    assert report.read_text() == 'code,reason\nA2,"wx_misconfigured: errcode 40129 (""invalid scene"")"\n'


@pytest.mark.parametrize(
    "stops, code, why",
    [
        (Stopped(e.WeChatRateLimited("errcode 45009")), 75, "errcode 45009"),
        (Stopped(e.WeChatUnreachable("not reachable")), 75, "not reachable"),
        (Stopped(e.WxaPageUnknown("errcode 41030")), 1, "no such page"),
        (Stopped(e.PicturesFull("100000 pictures")), 1, "100000 pictures"),
        (KeyboardInterrupt(), 130, "repeat the same command"),
        (e.ServiceBusy("OperationalError 2003"), 75, "2003"),
    ],
)
def test_the_exit_code_says_why_it_stopped(shell: Shell, stops: BaseException, code: int, why: str) -> None:
    shell.batches.stops = stops
    result = shell.run("make")
    assert result.exit_code == code and why in result.stderr


def test_a_sheet_shows_each_picture_with_its_code_and_number(shell: Shell, tmp_path: Path) -> None:
    out = tmp_path / "sheet.html"
    result = shell.run("sheet", "--out", out)
    assert result.exit_code == 3
    assert result.stdout.splitlines()[-1] == "on the sheet: 2, skipped: 1, without a picture: 1"
    text = out.read_text()
    assert text.count("<figure>") == 2 and text.count('class="page"') == 1
    assert '<img src="sheet_files/00001-A1.png" alt=""><figcaption>A1<small>spring 1</small>' in text
    assert (tmp_path / "sheet_files" / "00002-b-3.png").read_bytes() == b"b-3"
    assert shell.run("sheet", "A1", "--out", out).exit_code == 0
