"""The last words of a run: what was skipped on this machine, and how to have it run."""

from collections import Counter

import pytest


def pytest_unconfigure(config: pytest.Config) -> None:
    """After pytest's own closing line, say each skip reason once, as a sentence."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    reports = reporter.stats.get("skipped", []) if reporter else []
    reasons = Counter(report.longrepr[2].removeprefix("Skipped: ").removeprefix("skipped: ") for report in reports)
    for reason, count in reasons.items():
        reporter.write_line(f"Skipped {count} test{'s' if count > 1 else ''}: {reason}.")
