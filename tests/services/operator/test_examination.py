"""The doctor's quick checks for the console: in a process of their own, within a time, once a minute."""

import json
import sys
import time
from pathlib import Path

from authsvc.doctor.rounds import QUICK
from authsvc.services.operator.examination import Examination
from tests.harness.inprocess import Clock
from tests.harness.service import Service

LINES = {"checks": [{"check": "keys.usable", "status": "ok", "says": "fine", "todo": None}]}


class Minute(Clock):
    """Its monotonic clock stands still as well."""

    def monotonic(self) -> float:
        return self.moment


def written(path: Path) -> tuple[str, ...]:
    """A program that notes that it ran, and answers like the doctor."""
    return sys.executable, "-c", f"open({str(path)!r}, 'a').write('x'); print({json.dumps(json.dumps(LINES))})"


def test_one_examination_serves_for_a_minute(tmp_path: Path) -> None:
    clock, ran = Minute(), tmp_path / "ran"
    examination = Examination(clock, written(ran))
    [line] = examination.lines()
    assert (line.check, line.status, line.says, line.todo) == ("keys.usable", "ok", "fine", "")
    clock.moment += 59
    examination.lines()
    assert ran.read_text() == "x"
    clock.moment += 2
    examination.lines()
    assert ran.read_text() == "xx"


def test_one_that_hangs_or_fails_says_so(tmp_path: Path) -> None:
    for program in (("sleep", "30"), (str(tmp_path / "missing"),), ("true",), ("echo", "[1]")):
        began = time.monotonic()
        [line] = Examination(Minute(), program, seconds=0.5).lines()
        assert (line.status, line.check) == ("warning", "doctor.answers")
        assert time.monotonic() - began < 5


def test_the_quick_checks_ask_nobody_but_the_database(sqlite_service: Service) -> None:
    said = json.loads(sqlite_service.flask("authsvc", "doctor", "--quick", "--json"))
    names = {line["check"] for line in said["checks"]}
    assert names == {check.name for check in QUICK}
    assert {name.partition(".")[0] for name in names} == {"settings", "files", "keys", "database"}
    assert "database.writable" not in names
