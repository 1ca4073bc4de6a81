"""Node.js, where it is installed, with the packages that tests/node pins."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.harness.databases import REQUIRED

FOLDER = Path(__file__).resolve().parents[1] / "node"


def plain_node() -> str:
    """Return the path of ``node``; skip the test, saying what is missing, or fail where services are required."""
    node = shutil.which("node")
    if node is None or shutil.which("npm") is None:
        _unable("skipped: no Node.js on this machine (install node and npm, version 20 or newer)")
    return str(node)


def ready_node() -> str:
    """Return the path of ``node`` once the packages of tests/node are installed; skip or fail as ``plain_node``."""
    node, npm = plain_node(), shutil.which("npm")
    if not _is_installed():
        done = subprocess.run(
            [str(npm), "ci", "--no-audit", "--no-fund"],
            cwd=FOLDER,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        if done.returncode != 0:
            _unable(f"skipped: npm ci failed in tests/node (is a registry reachable?): {done.stderr[-300:]}")
    return node


def run(script: str, given: Any, *, packages: bool = True) -> list[Any]:
    """Run a script of tests/node with JSON on its stdin; return the JSON lines it prints.

    ``packages`` is False for scripts that need Node alone.
    """
    done = subprocess.run(
        [ready_node() if packages else plain_node(), script],
        cwd=FOLDER,
        input=json.dumps(given),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={"PATH": os.environ["PATH"]},
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def _is_installed() -> bool:
    """True when what package-lock.json pins lies in node_modules."""
    locked = json.loads((FOLDER / "package-lock.json").read_text())["packages"]
    return all(_version(FOLDER / path) == entry["version"] for path, entry in locked.items() if path)


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
