"""``flask authsvc qrcodes``: a batch drawn with interruptions of every kind, and a sheet that a phone reads."""

import csv
import io
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import zxingcpp
from PIL import Image

from tests.harness.chromium import chromium, window
from tests.harness.service import Service
from tests.harness.simulator import Simulator
from tests.harness.waiting import wait_until
from tests.services.qrcodes.test_qrcode import calls

pytestmark = pytest.mark.slow

BATCH = "overnight"
COUNT = 45
PATIENCE = 60.0
# 190 mm at 96 dots an inch, wide enough for one page of the sheet.
PAGE = {"width": 719, "height": 1044}


def command(service: Service, *arguments: object) -> "subprocess.Popen[str]":
    """Start a command of ``flask authsvc qrcodes`` with the service's settings."""
    flask = [sys.executable, "-m", "flask", "--app", "wsgi", "authsvc", "qrcodes", *map(str, arguments)]
    return subprocess.Popen(
        flask,
        env={**service.environment, "LOG_LEVEL": "ERROR"},
        cwd=service.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(service: Service, *arguments: object) -> tuple[int, str, str]:
    """Run one to its end: exit code, last line of the output, errors."""
    process = command(service, *arguments)
    output, errors = process.communicate(timeout=PATIENCE)
    return process.returncode, (output.splitlines() or [""])[-1], errors


def drawn(service: Service) -> int:
    return service.count("code_pictures", "ending IS NOT NULL")


def seeded(service: Service) -> list[str]:
    """Make the codes of a batch, in order."""
    codes = [f"OVERNIGHT-{number:02}" for number in range(1, COUNT + 1)]
    for number, code in enumerate(codes, start=1):
        columns = "code, batch, batch_number, created_at"
        service.rows(f"INSERT INTO invite_codes ({columns}) VALUES ('{code}', '{BATCH}', {number}, 1)")
    return codes


def test_a_batch_is_drawn_whatever_happens_and_printed(simulator: Simulator, start_briefly, tmp_path: Path) -> None:
    service = start_briefly("overnight", workers=1)
    codes = seeded(service)
    report = tmp_path / "report.csv"

    # WeChat has had enough: what was made stays, and no code is blamed.
    simulator.call("POST", "/control/settings", {"codes_per_minute": 10})
    code, told, errors = run(service, "make", "--batch", BATCH, "--report", report)
    assert (code, told) == (75, "drawn: 10, already there: 0, skipped: 0, failed: 0")
    assert "45009" in errors and "repeat the same command" in errors
    assert report.read_text() == "code,reason\n"
    assert drawn(service) == 10
    simulator.call("POST", "/control/settings", {"codes_per_minute": 5000})

    # Killed with a dozen calls under way; half a minute later nobody waits for the dead any more.
    simulator.slow_down(0.3)
    killed = command(service, "make", "--batch", BATCH)
    wait_until(lambda: drawn(service) > 10, PATIENCE)
    killed.send_signal(signal.SIGKILL)
    killed.communicate(timeout=PATIENCE)
    stood = drawn(service)
    assert 10 < stood < COUNT
    simulator.clear()
    service.rows("UPDATE code_pictures SET claimed_until = 0 WHERE ending IS NULL")

    # WeChat refuses two; they are drawn by the report of this run.
    simulator.fault({"kind": "errcode", "errcode": 40129}, times=2, path="/wxa/getwxacodeunlimit")
    code, told, errors = run(service, "make", "--batch", BATCH, "--report", report)
    assert (code, told) == (3, f"drawn: {COUNT - stood - 2}, already there: {stood}, skipped: 0, failed: 2")
    failed = list(csv.DictReader(io.StringIO(report.read_text())))
    assert len(failed) == 2 and all("40129" in row["reason"] and row["code"] in errors for row in failed)
    assert len(calls(simulator)) == COUNT - stood
    code, told, errors = run(service, "make", "--file", report)
    assert (code, told, errors) == (0, "drawn: 2, already there: 0, skipped: 0, failed: 0", "")
    assert len(calls(simulator)) == COUNT - stood + 2

    # One code is out of use, and not printed.
    service.rows(f"UPDATE invite_codes SET disabled_at = 1 WHERE code = '{codes[0]}'")
    sheet = tmp_path / "sheet.html"
    code, told, _ = run(service, "sheet", "--batch", BATCH, "--out", sheet)
    assert (code, told) == (0, f"on the sheet: {COUNT - 1}, skipped: 1, without a picture: 0")
    assert printed(sheet) == [f"invite_code={code}" for code in codes[1:]]


def printed(sheet: Path) -> list[str]:
    """What a phone reads from the sheet as it is printed: three pages of A4."""
    with chromium() as browser, window(browser, viewport=PAGE) as shown:
        shown.page.emulate_media(media="print")
        shown.page.goto(sheet.as_uri())
        assert shown.page.pdf(prefer_css_page_size=True).count(b"/Type /Page\n") == 3
        picture = Image.open(io.BytesIO(shown.page.screenshot(full_page=True)))
        assert shown.complaints == []
    return sorted(code.text for code in zxingcpp.read_barcodes(picture))
