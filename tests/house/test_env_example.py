""".env.example against the code: the same settings, the same defaults, each with its meaning."""

import ast
import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from authsvc.config import BadSettings, Settings
from authsvc.config.source import ALIASES, Source
from tests.harness.places import ROOT

# Given by libraries and by the shell rather than by us.
NOT_OURS = {"GUNICORN_CMD_ARGS", "PROMETHEUS_MULTIPROC_DIR"}
NEEDED = {
    "WX_APPID": "wx4f4bc4dec97d474b",
    "WX_SECRET": "0f3c9a7be21d45c6a8b90e1f2d3c4b5a",
    "PUBLIC_BASE_URL": "https://login.example.test",
    "SECRET_KEYS": "l5TzJ0VxKqsk3dUEOcZ2Y1rWmQ8bN7aHgPfvIeXoD4A",
}
_SETTING = re.compile(r"(# )?([A-Z][A-Z0-9_]+)=(.*)")


def written() -> dict[str, str]:
    """Return name and value of every setting in .env.example, in its order."""
    lines = (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
    matches = [match for line in lines if (match := _SETTING.fullmatch(line))]
    return {match[2]: match[3] for match in matches}


def asked_of_the_environment(path: Path) -> Iterator[tuple[str, object]]:
    """Yield name and default of every ``….get("NAME", default)`` with a name like a setting's."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "get":
            first, *rest = [*node.args, ast.Constant(None)]
            if isinstance(first, ast.Constant) and re.fullmatch("[A-Z][A-Z0-9_]+", str(first.value)):
                yield str(first.value), rest[0].value if isinstance(rest[0], ast.Constant) else None


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """Every setting that the code reads, with its default (None: none, or made up at start)."""
    found: dict[str, object] = {}
    for path in [ROOT / "authsvc" / "serving" / "configuration.py", *(ROOT / "authsvc" / "cli").glob("*.py")]:
        found |= dict(asked_of_the_environment(path))
    original = Source._get_value

    def noting(self: Source, name: str, default: object) -> object:
        found.setdefault(name, default)
        return original(self, name, default)

    monkeypatch.setattr(Source, "_get_value", noting)
    with pytest.raises(BadSettings):
        Settings.from_env({})
    return {name: default for name, default in found.items() if name not in NOT_OURS}


def test_every_setting_that_is_read_stands_there_and_no_other(read: dict[str, object]) -> None:
    assert sorted(read) == sorted(written())


def test_the_needed_ones_come_first_and_are_the_only_lines_to_fill_in() -> None:
    lines = (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line and not line.startswith("#")] == [f"{name}=" for name in NEEDED]
    assert list(written())[: len(NEEDED)] == list(NEEDED)


def test_the_values_shown_are_the_defaults(read: dict[str, object]) -> None:
    shown = written()
    assert {name for name, value in shown.items() if value} == {n for n, default in read.items() if default is not None}
    assert {name: shown[name] for name in ("PORT", "ACCESS_LOG")} == {"PORT": read["PORT"], "ACCESS_LOG": "0"}
    as_shown = {**shown, **NEEDED}
    assert Settings.from_env(as_shown) == Settings.from_env(NEEDED)


def test_every_setting_has_its_meaning_on_the_line_before() -> None:
    lines = (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
    without = [
        line
        for before, line in itertools.pairwise(lines)
        if _SETTING.fullmatch(line) and (not before.startswith("# ") or _SETTING.fullmatch(before) or "---" in before)
    ]
    assert without == []


def test_every_accepted_other_name_is_mentioned() -> None:
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    assert [name for aliases in ALIASES.values() for name in aliases if name not in text] == []
