"""What of the slower tests a bounded run begins."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

from tests.harness.share import another_first_each_day

DAY = 86_400
ITEMS = [SimpleNamespace(path=file, number=number) for file in "abc" for number in range(2)]


def test_another_file_is_the_first_each_day_until_each_had_its_turn() -> None:
    orders = [another_first_each_day(ITEMS, day * DAY) for day in range(3)]
    assert {order[0].path for order in orders} == {"a", "b", "c"}
    for order in orders:
        assert [item.number for item in order] == [0, 1] * 3
        assert sorted(item.path for item in order) == list("aabbcc")


def test_nothing_begins_after_the_moment_named() -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--until", "1", "tests/test_cpus.py"]
    run = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=60)
    assert run.returncode == 0
    assert "passed" not in run.stdout
    assert "the time for this run was over before they could begin." in run.stdout
