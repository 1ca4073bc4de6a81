"""A share of the slower tests: what can begin before a moment that the caller names."""

import time
from itertools import groupby
from typing import Any

import pytest

_DAY_SECONDS = 86_400


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what would begin too late; what has begun goes on to its end."""
    until = item.config.getoption("--until")
    if until is not None and time.time() > until:
        pytest.skip("the time for this run was over before they could begin")


def another_first_each_day(items: list[Any], now: float) -> list[Any]:
    """The same tests in whole files, beginning with another file each day, so that every one has its turn."""
    files = [list(tests) for _, tests in groupby(items, lambda item: item.path)]
    if not files:
        return []
    first = int(now // _DAY_SECONDS) * 7 % len(files)
    return [test for file in [*files[first:], *files[:first]] for test in file]
