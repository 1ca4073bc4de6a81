"""From gunicorn's first line to its last one format: JSON for programs, text for a person at a terminal."""

import json
import os
import pty
import re
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import requests

from tests.harness.service import Service
from tests.harness.waiting import wait_until

QUIET = {"LOG_LEVEL": "INFO"}
TEXT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d (INFO   |WARNING|ERROR  ) \d+ [\w.]+: \S.*")


def from_start_to_end(service: Service) -> None:
    """Some requests, good ones and bad ones, a reload in between, and the end."""
    before = set(service.workers())
    requests.get(f"{service.url}/healthz", headers={"Connection": "close"}, timeout=5)
    os.kill(service.process.pid, signal.SIGHUP)
    wait_until(lambda: len(service.workers()) == 1 and not before & set(service.workers()), 20)
    service.process.wait_for(f"{service.url}/healthz")
    service.call("GET", "/nowhere")
    requests.get(service.url, headers={"Host": "a b"}, timeout=5)
    service.stop()


def test_for_programs_every_line_is_one_json_object(start_briefly: Callable[..., Service]) -> None:
    service = start_briefly("one-format", workers=1, settings=QUIET)
    from_start_to_end(service)
    lines = [json.loads(line) for line in service.log.read_text().splitlines()]
    lines = lines[[line["message"].startswith("Starting gunicorn") for line in lines].index(True) :]
    assert lines[-1]["message"] == "Shutting down: Master"
    assert all({"time", "level", "pid", "logger", "message"} <= set(line) for line in lines)
    loggers = {line["logger"] for line in lines}
    assert {"gunicorn.error", "gunicorn.access", "authsvc.web.errors"} <= loggers


def test_a_person_at_a_terminal_reads_text(start_briefly: Callable[..., Service]) -> None:
    service = start_briefly("terminal", workers=1, settings=QUIET)
    ours, theirs = pty.openpty()
    seen: list[bytes] = []
    reader = threading.Thread(target=_read, args=(ours, seen), daemon=True)
    reader.start()
    service.log = Path(os.ttyname(theirs))
    service.restart()
    from_start_to_end(service)
    os.close(theirs)
    reader.join(10)
    lines = b"".join(seen).decode().splitlines()
    assert [line for line in lines if not TEXT.fullmatch(line)] == []
    assert "gunicorn.error: Starting gunicorn" in lines[0] and lines[-1].endswith("Shutting down: Master")
    (access,) = (line for line in lines if "GET /nowhere 404" in line)
    (refusal,) = (line for line in lines if "refused: not_found /nowhere" in line)
    assert access.rsplit(" request_id=")[1] == refusal.rsplit(" request_id=")[1]


def _read(terminal: int, seen: list[bytes]) -> None:
    while True:
        try:
            part = os.read(terminal, 65536)
        except OSError:  # nobody has the other side open any more
            return
        if not part:
            return
        seen.append(part)
