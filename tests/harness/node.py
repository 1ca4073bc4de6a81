"""Node.js, where it is installed, with the packages that a folder pins."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.harness.databases import REQUIRED
from tests.harness.places import ROOT
from tests.harness.service import Service
from tests.harness.simulator import Simulator

MINI_PROGRAM = ROOT / "tests" / "miniprogram"
VERIFIER = ROOT / "tests" / "verifier" / "node"
# Read by tests/harness/moved.py.
CLOCK = "AUTHSVC_TEST_CLOCK"


def plain_node() -> str:
    """Return the path of ``node``; skip the test, saying what is missing, or fail where services are required."""
    node = shutil.which("node")
    if node is None or shutil.which("npm") is None:
        _unable("skipped: no Node.js on this machine (install node and npm, version 20 or newer)")
    return str(node)


def ready_node(folder: Path) -> str:
    """Return the path of ``node`` once a folder's packages are installed; skip or fail as ``plain_node``."""
    node, npm = plain_node(), shutil.which("npm")
    if not _is_installed(folder):
        done = subprocess.run(
            [str(npm), "ci", "--no-audit", "--no-fund"],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        if done.returncode != 0:
            place = folder.relative_to(ROOT)
            _unable(f"skipped: npm ci failed in {place} (is a registry reachable?): {done.stderr[-300:]}")
    return node


def large_packages(name: str) -> Path:
    """Return a folder of tests/miniprogram whose packages are too many for every run: installed by hand, and in CI."""
    folder = MINI_PROGRAM / name
    wanted = json.loads((folder / "package.json").read_text())["dependencies"]
    if all(_version(folder / "node_modules" / package) == version for package, version in wanted.items()):
        return folder
    plain_node()
    command = ["npm", "install", "--ignore-scripts", "--no-package-lock"]
    if not REQUIRED:
        pytest.skip(f"skipped: not installed ({' '.join(command)} in {folder.relative_to(ROOT)})")
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode != 0:
        _unable(f"{' '.join(command)} failed in {folder.relative_to(ROOT)}: {done.stderr[-300:]}")
    return folder


# What node:test has to say goes to stderr: stdout is for JSON.
_REPORT = ("--test-reporter=spec", "--test-reporter-destination=stderr")


def run(script: str, given: Any, *, folder: Path = MINI_PROGRAM, only: str = ".") -> list[Any]:
    """Run a script of a folder with JSON on its stdin; return the JSON lines it prints.

    ``only`` is a pattern of node:test's names.
    """
    node = ready_node(folder) if (folder / "package-lock.json").exists() else plain_node()
    done = subprocess.run(
        [node, *_REPORT, f"--test-name-pattern={only}", script],
        cwd=folder,
        input=json.dumps(given),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={"PATH": os.environ["PATH"]},
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


class Stage:
    """A service whose clock the scripts move, and the file that holds how far it is ahead."""

    def __init__(self, service: Service, clock: Path, simulator: Simulator) -> None:
        self.service = service
        self._clock = clock
        self._simulator = simulator

    def play(self, script: str, *, only: str = ".", **more: Any) -> dict[str, Any]:
        """Run a script that plays with phones; keep what it heard for the leak scan, and return what it printed."""
        given = {
            **more,
            "service": self.service.url,
            "simulator": self._simulator.url,
            "appid": self.service.appid,
            "clock": str(self._clock),
        }
        try:
            result: dict[str, Any]
            (result,) = run(script, given, only=only)
        finally:
            self._clock.write_text("0")
            self._simulator.call("POST", "/control/clock", {"offset": 0})
        for user in result["users"]:
            self._simulator.account(user)
        for code in result["codes"]:
            self.service.canaries.not_in_logs("login code", code)
        for answer in result["answers"]:
            self.service.keep(answer["header"], answer["text"].encode("utf-8", "surrogatepass"))
        return result


def set_stage(name: str, folder: Path, simulator: Simulator, start: Callable[..., Service], **options: Any) -> Stage:
    """Start a service on a clock that scripts move."""
    clock = folder / f"clock-{name}"
    clock.write_text("0")
    settings = {CLOCK: str(clock), **options.pop("settings", {})}
    service = start(name, module="tests.harness.moved:app", settings=settings, **options)
    return Stage(service, clock, simulator)


def _is_installed(folder: Path) -> bool:
    """True when what package-lock.json pins lies in node_modules."""
    locked = json.loads((folder / "package-lock.json").read_text())["packages"]
    return all(_version(folder / path) == entry["version"] for path, entry in locked.items() if path)


def _version(folder: Path) -> str | None:
    try:
        found: str = json.loads((folder / "package.json").read_text())["version"]
        return found
    except FileNotFoundError:
        return None


def _unable(sentence: str) -> None:
    if REQUIRED:
        pytest.fail(sentence)
    pytest.skip(sentence)
