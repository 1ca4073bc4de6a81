"""``tests/`` is zoned like the house, and what its harness has is not made again in a test."""

import ast

from tests.harness.places import ROOT

TESTS, PACKAGE = ROOT / "tests", ROOT / "authsvc"
BESIDE_THE_ROOMS = {"docs", "house", "deploy", "miniprogram", "verifier"}
MADE_ONCE = {"Crowd", "House", "Person", "Race", "Service"}


def test_a_test_lies_in_a_room_or_beside_them() -> None:
    zones = {path.parent.relative_to(TESTS).as_posix() for path in TESTS.rglob("test_*.py")}
    rooms = {path.parent.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("__init__.py")}
    assert {"web/contracts", "services/people", *BESIDE_THE_ROOMS} <= zones <= rooms | BESIDE_THE_ROOMS


def test_there_is_one_house_one_person_and_one_way_to_race() -> None:
    made = [
        node.name
        for path in TESTS.rglob("*.py")
        if "node_modules" not in path.parts
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef) and node.name in MADE_ONCE
    ]
    assert sorted(made) == sorted(MADE_ONCE)
