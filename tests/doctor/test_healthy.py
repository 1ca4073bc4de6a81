"""A deployment in which everything is right: what the doctor says, and that it leaves no trace."""

import json
import re
import subprocess
import sys
from pathlib import Path

from authsvc.doctor.case import Case
from authsvc.doctor.findings import Check, ok
from authsvc.doctor.rounds import CHECKS, GROUPS, examine
from tests.doctor.conftest import Diagnose
from tests.harness.places import ROOT
from tests.harness.service import Service
from tests.harness.simulator import Simulator

TABLES = ("users", "identities", "sessions", "audit_events", "decrypt_failures", "phone_calls", "spent_phone_codes")


def test_nothing_is_wrong_and_every_check_says_something(diagnose: Diagnose, wechat: Simulator) -> None:
    found = diagnose()
    assert found.code == 0
    assert set(found.lines) == {check.name for check in CHECKS}
    assert found.with_status("wrong") == found.with_status("skipped") == set()
    # A simulator, an AppID of WeChat's documents, plain http: what it is for.
    assert found.with_status("warning") == {"settings.practice"}
    assert len(found.lines["settings.practice"]) == 3


def test_it_changes_nothing(diagnose: Diagnose, wechat: Simulator, deployment: Service) -> None:
    diagnose()
    tokens, rows = wechat.tokens(), {table: deployment.count(table) for table in TABLES}
    files = {path: path.stat().st_mode for path in deployment.folder.joinpath("instance").rglob("*")}
    wechat.clear()
    assert diagnose().code == 0
    after = wechat.tokens()
    assert (after["access_token"], after["minted"], after["forced"]) == (tokens["access_token"], tokens["minted"], 0)
    assert wechat.tokens("token")["fetches"] == 0
    assert {table: deployment.count(table) for table in TABLES} == rows
    assert {path: path.stat().st_mode for path in deployment.folder.joinpath("instance").rglob("*")} == files
    # Nothing that costs money: the only phone code is one that does not exist.
    asked = wechat.journal(path="/wxa/business/getuserphonenumber")
    assert [call["errcode"] for call in asked] == [40029]


def test_an_access_token_of_the_other_kind_stays_valid(diagnose: Diagnose, wechat: Simulator) -> None:
    """Each call of /cgi-bin/token would retire the one in use; the doctor never makes one with a secret."""
    assert diagnose(WX_TOKEN_API="token").status("wechat.secret") == "ok"
    calls = wechat.journal(path="/cgi-bin/token")
    assert [call["errcode"] for call in calls] == [41002]


def test_a_person_sees_lines_under_headings(deployment: Service, wechat: Simulator, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "authsvc", "doctor"],
        env={**deployment.environment, "WX_SECRET": "0123456789abcdef0123456789abcdef", "REGISTRATON": "closed"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    lines = done.stdout.splitlines()
    assert (done.returncode, done.stderr) == (1, "")
    assert [line for line in lines if line and line[0] != " "][:-1] == list(GROUPS.values())
    assert "  wrong    valid           REGISTRATON is not a setting: did you mean REGISTRATION?" in lines
    assert any(
        line.startswith("  skipped  7 checks        cannot be told until settings.valid is right: ") for line in lines
    )
    assert re.fullmatch(r"authsvc \S+: \d+ ok, \d+ warnings?, 1 wrong, \d+ skipped", lines[-1])


def test_without_any_settings_it_says_so_and_does_not_end_in_a_traceback(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "authsvc", "doctor", "--json"],
        env={"PATH": "/usr/bin:/bin"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    told = json.loads(done.stdout)
    assert (done.returncode, told["status"], done.stderr) == (1, "wrong", "")
    assert sum(check["check"] == "settings.valid" for check in told["checks"]) == 4
    assert list(tmp_path.iterdir()) == []


def test_a_check_that_fails_in_itself_stops_nothing_and_the_time_is_bounded() -> None:
    def breaks(case: Case) -> list:
        raise RuntimeError("a secret")

    case = Case.here()
    checks = (Check("a.broken", "", "", breaks), Check("a.next", "", "", lambda _: [ok("fine")]))
    found = examine(case, checks=checks)
    assert [finding.line.status for finding in found] == ["wrong", "ok"]
    assert "a secret" not in found[0].line.says
    late = examine(case, checks=checks, seconds=-1)
    assert {finding.line.says for finding in late} == {"the time for the whole examination is over"}


def test_the_page_has_every_check() -> None:
    table = "\n".join(f"| `{check.name}` | {check.proves} | {check.helps} |" for check in CHECKS)
    assert table in (ROOT / "docs" / "doctor.md").read_text(encoding="utf-8")
