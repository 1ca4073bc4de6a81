"""The constraints: every file by its hash, one version each, and all that setup.cfg asks for."""

import configparser
import re

import pytest
from packaging.requirements import Requirement

from tests.harness.places import ROOT

FILES = {
    "constraints-run.txt": (),
    "constraints-s3.txt": ("s3",),
    "constraints-sim.txt": ("sim",),
    "constraints.txt": ("s3", "sim", "test", "lint"),
}


SITE = "docs/site/constraints.txt"  # of an environment of its own, without authsvc


def locked(name: str) -> dict[str, tuple[str, list[str]]]:
    """Name → version and hashes of every entry."""
    text = (ROOT / name).read_text(encoding="utf-8")
    entries = re.findall(
        r"^([a-z0-9-]+)==([^ ;]+)[^\n]*((?:\n    --hash=sha256:[0-9a-f]{64}(?: \\)?)*)$", text, re.MULTILINE
    )
    assert len(entries) == len(re.findall(r"^[^ #\n]", text, re.MULTILINE)) > 30
    return {package: (version, re.findall("sha256:([0-9a-f]{64})", hashes)) for package, version, hashes in entries}


def asked(*extras: str, alone: bool = False) -> list[Requirement]:
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    lines = [config["options.extras_require"][extra] for extra in extras]
    if not alone:
        lines.insert(0, config["options"]["install_requires"])
    return [Requirement(line) for text in lines for line in text.splitlines() if line]


@pytest.mark.parametrize("name", [*FILES, SITE])
def test_every_entry_has_its_hashes_and_nothing_asked_for_is_missing(name: str) -> None:
    entries = locked(name)
    assert [package for package, (_, hashes) in entries.items() if not hashes] == []
    for requirement in asked("docs", alone=True) if name == SITE else asked(*FILES[name]):
        version, _ = entries[re.sub(r"[-_.]+", "-", requirement.name).lower()]
        assert requirement.specifier.contains(version), f"{requirement} and {version}: run scripts/lock"
    assert "setuptools" in entries  # what builds the project is nothing that pip may choose


def test_they_agree() -> None:
    run, s3, sim, everything = (locked(name) for name in FILES)
    assert run.items() <= s3.items() <= everything.items()
    assert run.items() < sim.items() <= everything.items()
    assert sim.keys() - run.keys() == {"segno"}
    site = locked(SITE)
    assert [name for name in site.keys() & everything.keys() if site[name] != everything[name]] == []
    assert "flask" not in site


def test_what_is_compiled_has_an_upper_bound() -> None:
    """A new major version of these is read before it is taken."""
    open_ended = [
        one.name for one in asked() if not any(bound.operator in ("<", "<=", "==") for bound in one.specifier)
    ]
    assert set(open_ended) <= {"Pillow"}
