"""``flask authsvc qrcodes …``: draws pictures of invite codes in advance, and prints them."""

import csv
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import IO, TypeVar

import click
from flask.cli import with_appcontext

from authsvc.cli import invitecsv, sheet
from authsvc.cli.house import services
from authsvc.cli.progress import progress
from authsvc.cli.refusals import PARTLY, Group, refusal, resumable, shortened
from authsvc.services.qrcodes.batches import Drawn, Stopped
from authsvc.values.invites import InviteCode

T = TypeVar("T")


@click.group(cls=Group)
def qrcodes() -> None:
    """Draw and print mini-program codes of invite codes."""


def _selection(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that select the codes: named ones, of a batch, of a file, or all."""
    for add in (
        click.option("--appid", help="The mini program that they open; default: the first."),
        click.option(
            "--file",
            type=click.File("r", encoding="utf-8-sig"),
            help="The codes of a CSV file with a column code: an export, or the report of an earlier run.",
        ),
        click.option("--batch", metavar="NAME", help="The codes of one batch."),
        click.argument("codes", metavar="[CODE]...", nargs=-1),
    ):
        command = add(command)
    return command


@qrcodes.command()
@_selection
@click.option("--report", type=click.Path(dir_okay=False, path_type=Path), help="Write failures to this CSV file.")
@with_appcontext
def make(
    codes: tuple[str, ...], batch: str | None, file: IO[str] | None, appid: str | None, report: Path | None
) -> None:
    """Have WeChat draw the codes that have no picture yet: named codes, of a batch, of a file, or all.

    Codes that nobody can use (disabled, expired, used up) are skipped. At most QRCODE_PER_MINUTE pictures are
    requested per minute. If you run it again, it draws the missing ones.
    """
    with resumable():
        usable, left_out = _chosen(codes, batch, file)
        tally = _Tally()
        stopped = _draw([invite.code for invite in usable], appid, tally)
    click.echo(f"drawn: {tally.new}, already there: {tally.kept}, skipped: {left_out}, failed: {len(tally.failed)}")
    for line in shortened([f"{code}: {reason}" for code, reason in tally.failed]):
        click.echo(line, err=True)
    if report is not None:
        _write_report(report, tally.failed)
    if stopped is not None:
        raise refusal(
            f"{stopped}\nstopped before the end; repeat the same command later to continue", stopped.will_pass
        )
    if tally.failed:
        raise SystemExit(PARTLY)


@qrcodes.command(name="sheet")
@_selection
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="The sheet, such as spring.html; its pictures are stored in the folder spring_files beside it.",
)
@with_appcontext
def sheet_(codes: tuple[str, ...], batch: str | None, file: IO[str] | None, appid: str | None, out: Path) -> None:
    """Write a sheet to print: twenty codes per A4 page, in order, with cutting lines.

    Open it in a browser and print it without scaling. Codes that nobody can use are skipped. Codes without a picture
    are counted; draw them first (qrcodes make).
    """
    with resumable():
        usable, left_out = _chosen(codes, batch, file)
        pictures = services().code_batches.pictures((invite.code for invite in usable), appid)
        with progress("sheet", len(usable)) as advance:
            there = (
                (invite, found) for invite, found in _counted(zip(usable, pictures, strict=True), advance) if found
            )
            printed = sheet.write(out, batch or "codes", there)
    missing = len(usable) - printed
    click.echo(f"on the sheet: {printed}, skipped: {left_out}, without a picture: {missing}")
    if missing:
        raise SystemExit(PARTLY)


class _Tally:
    """The results for the codes."""

    def __init__(self) -> None:
        self.new = self.kept = 0
        self.failed: list[tuple[str, str]] = []

    def add(self, drawn: Drawn) -> None:
        if drawn.error is not None:
            self.failed.append((drawn.invite_code, f"{drawn.error.error}: {drawn.error}"))
        elif drawn.is_new:
            self.new += 1
        else:
            self.kept += 1


def _chosen(codes: tuple[str, ...], batch: str | None, file: IO[str] | None) -> tuple[list[InviteCode], int]:
    """Return the selected codes that somebody can use, and how many others there were."""
    if sum((bool(codes), batch is not None, file is not None)) > 1:
        raise click.UsageError("give codes, a --batch or a --file")
    campaigns = services().campaigns
    if codes or file is not None:
        named = codes if file is None else invitecsv.read_codes(file)
        found = campaigns.named(list(dict.fromkeys(named)))
    else:
        found = list(campaigns.codes(batch=batch))
    usable = [invite for invite in found if campaigns.fault(invite) is None]
    return usable, len(found) - len(usable)


def _draw(invite_codes: list[str], appid: str | None, tally: _Tally) -> Stopped | None:
    """Draw with progress; return why it stopped before the end, or None."""
    drawing = services().code_batches.draw(invite_codes, appid)
    with progress("codes", len(invite_codes)) as advance, closing(drawing):
        try:
            for drawn in _counted(drawing, advance):
                tally.add(drawn)
        except Stopped as stopped:
            return stopped
    return None


def _counted(items: Iterable[T], advance: Callable[[int], None]) -> Iterator[T]:
    for item in items:
        advance(1)
        yield item


def _write_report(path: Path, failed: list[tuple[str, str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([("code", "reason"), *failed])
