"""A deployment in which everything is right, and the doctor as an operator runs it there."""

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner

from authsvc.cli import authsvc
from tests.harness.service import Service
from tests.harness.simulator import Simulator


@dataclass(frozen=True)
class Diagnosis:
    """What the doctor said: exit code, the whole output, and (status, says, todo) of every line by check."""

    code: int
    output: str
    lines: dict[str, list[tuple[str, str, str | None]]]

    def status(self, check: str) -> str:
        """The worst status of a check."""
        found = {status for status, _, _ in self.lines[check]}
        return next(word for word in ("wrong", "warning", "skipped", "ok") if word in found)

    def worst(self, check: str) -> tuple[str, str, str | None]:
        """The first line with the worst status of a check."""
        return next(line for line in self.lines[check] if line[0] == self.status(check))

    def with_status(self, status: str) -> set[str]:
        """The checks with a line of this status."""
        return {check for check, lines in self.lines.items() if any(line[0] == status for line in lines)}


Diagnose = Callable[..., Diagnosis]


@pytest.fixture(scope="module")
def deployment(start_service: Callable[..., Service], own_simulator: Simulator) -> Iterator[Service]:
    """One service that is reached at its public address, with nothing wrong but what is for practice."""
    service = start_service("doctor", wechat=own_simulator.url, workers=1)
    service.environment["PUBLIC_BASE_URL"] = service.url
    (service.folder / "instance").chmod(0o700)
    service.restart()
    yield service
    service.stop()


@pytest.fixture
def wechat(own_simulator: Simulator) -> Iterator[Simulator]:
    """The deployment's simulator, as it was when it started."""
    before = own_simulator.call("GET", "/control/settings")
    own_simulator.clear()
    yield own_simulator
    own_simulator.clear()
    own_simulator.call("POST", "/control/clock", {"offset": 0})
    kept = ("ip_allow_list", "ungranted", "published_pages")
    own_simulator.call("POST", "/control/settings", {name: before[name] for name in kept})


@pytest.fixture
def diagnose(deployment: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Diagnose:
    """Run the doctor on the deployment with some settings changed (None: removed). No secret may be in its output."""
    monkeypatch.chdir(tmp_path)

    def run(**changes: str | None) -> Diagnosis:
        given = {**deployment.environment, **changes}
        environment = {**dict.fromkeys(os.environ), **given}
        done = CliRunner().invoke(authsvc, ["doctor", "--json"], env=environment, catch_exceptions=False)
        for name in ("WX_SECRET", "SECRET_KEYS"):
            assert (given.get(name) or "no secret") not in done.output
        assert deployment.environment["WX_SECRET"] not in done.output
        told = json.loads(done.stdout)
        assert done.stderr == ""
        lines: dict[str, list[tuple[str, str, str | None]]] = {}
        for check in told["checks"]:
            lines.setdefault(check["check"], []).append((check["status"], check["says"], check["todo"]))
        found = Diagnosis(done.exit_code, done.stdout, lines)
        assert (done.exit_code == 1) == bool(found.with_status("wrong")) == (told["status"] == "wrong")
        return found

    return run
