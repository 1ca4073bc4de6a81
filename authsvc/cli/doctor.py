"""``authsvc doctor``: examines the whole deployment, and says what to do about each fault."""

import json
import shutil
import sys
import textwrap
from collections import Counter
from dataclasses import dataclass, field
from typing import get_args

import click

from authsvc import __version__
from authsvc.cli.refusals import DONE, REFUSED
from authsvc.doctor.case import Case
from authsvc.doctor.findings import Finding, Status
from authsvc.doctor.rounds import CHECKS, GROUPS, QUICK, examine

_COLORS: dict[Status, str] = {"ok": "green", "warning": "yellow", "wrong": "red", "skipped": "bright_black"}
_STATUS = max(map(len, get_args(Status)))
_SUBJECT = max(len(check.name.partition(".")[2]) for check in CHECKS)
_LEAST_WIDTH = 40
_INDENT = 2 + _STATUS + 2 + _SUBJECT + 2


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of lines.")
@click.option("--quick", is_flag=True, help="Leave out Redis, WeChat, the public address, and a write to every table.")
@click.pass_context
def doctor(ctx: click.Context, as_json: bool, quick: bool) -> None:
    """Check settings, files, keys, database, Redis, WeChat and the public address, and say what to do.

    Changes nothing, and needs no working settings. Takes a minute at most. Exit code 0: all ok, or only warnings;
    1: something is wrong.
    """
    checks = QUICK if quick else CHECKS
    case = Case.here()
    ctx.call_on_close(case.close)
    if as_json:
        findings = examine(case, checks=checks)
        click.echo(json.dumps(_view(findings), ensure_ascii=False, indent=1))
    else:
        printer = _Printer()
        findings = examine(case, printer.show, checks=checks)
        printer.end()
        click.echo(f"\n{_summary(findings)}")
    ctx.exit(REFUSED if _worst(findings) == "wrong" else DONE)


@dataclass
class _Printer:
    """Prints findings as they come, under the names of their groups.

    Neighbours that are skipped for the same reason share a line, and neighbours with the same remedy share that.
    """

    group: str = ""
    todo: str = ""
    skipped: list[Finding] = field(default_factory=list)

    def show(self, finding: Finding) -> None:
        """Print a finding, or keep it until it is clear what it shares with the next."""
        if finding.group != self.group:
            self.end()
            click.echo(f"{chr(10) if self.group else ''}{GROUPS[finding.group]}")
            self.group = finding.group
        if finding.line.status == "skipped" and not finding.line.todo:
            if self.skipped and self.skipped[0].line != finding.line:
                self.end()
            self._say_todo("")
            self.skipped.append(finding)
            return
        self._say_skipped()
        self._say_todo(finding.line.todo)
        self._say(finding.line.status, finding.subject, finding.line.says)
        self.todo = finding.line.todo

    def end(self) -> None:
        """Print what was kept."""
        self._say_skipped()
        self._say_todo("")

    def _say_skipped(self) -> None:
        if self.skipped:
            names = list(dict.fromkeys(finding.subject for finding in self.skipped))
            says = self.skipped[0].line.says
            if len(names) == 1:
                self._say("skipped", names[0], says)
            else:
                self._say("skipped", f"{len(names)} checks", f"{says}: {', '.join(names)}")
            self.skipped = []

    def _say_todo(self, following: str) -> None:
        if self.todo and self.todo != following:
            first, *rest = _wrapped(f"→ {self.todo}")
            click.echo(f"{'':<{_INDENT}}{first}")
            for line in rest:
                click.echo(f"{'':<{_INDENT}}  {line}")
        self.todo = ""

    @staticmethod
    def _say(status: Status, subject: str, says: str) -> None:
        shown = click.style(f"{status:<{_STATUS}}", fg=_COLORS[status], bold=status == "wrong" or None)
        first, *rest = _wrapped(says)
        click.echo(f"  {shown}  {subject:<{_SUBJECT}}  {first}")
        for line in rest:
            click.echo(f"{'':<{_INDENT}}{line}")


def _wrapped(text: str) -> list[str]:
    """Return the lines of a text beside the first columns of a terminal; one line if nobody sees it there."""
    if not sys.stdout.isatty():
        return [text]
    width = max(shutil.get_terminal_size().columns - _INDENT - 2, _LEAST_WIDTH)
    return textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False)


def _summary(findings: list[Finding]) -> str:
    counts = Counter(finding.line.status for finding in findings)
    plural = "s" if counts["warning"] != 1 else ""
    return (
        f"authsvc {__version__}: {counts['ok']} ok, {counts['warning']} warning{plural}, {counts['wrong']} wrong,"
        f" {counts['skipped']} skipped"
    )


def _worst(findings: list[Finding]) -> Status:
    found = {finding.line.status for finding in findings}
    return "wrong" if "wrong" in found else "warning" if "warning" in found else "ok"


def _view(findings: list[Finding]) -> dict[str, object]:
    checks = [
        {
            "check": finding.check,
            "status": finding.line.status,
            "says": finding.line.says,
            "todo": finding.line.todo or None,
        }
        for finding in findings
    ]
    return {"status": _worst(findings), "version": __version__, "checks": checks}
