"""How many processors this process may use: those of its container, not those of the machine."""

import math
import os
from collections.abc import Iterator
from pathlib import Path

_ROOT = Path("/")


def available(root: Path = _ROOT) -> int:
    """Return how many, at least 1: what the affinity allows and what every cgroup around us is given the time of.

    A part of a processor counts as one. ``root`` is where /proc and /sys are found.
    """
    allowed = float(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    return max(1, math.ceil(min([allowed, *_quotas(root)])))


def _quotas(root: Path) -> Iterator[float]:
    """Yield the limits of our cgroups in processors, of version 2 and of version 1."""
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        if controllers == "":
            for folder in _upwards(root / "sys/fs/cgroup", path):
                yield from _quota(*[*_text(folder / "cpu.max").split(), "", ""][:2])
        elif "cpu" in controllers.split(","):
            for folder in _upwards(root / "sys/fs/cgroup" / controllers, path):
                yield from _quota(_text(folder / "cpu.cfs_quota_us"), _text(folder / "cpu.cfs_period_us"))


def _upwards(top: Path, path: str) -> Iterator[Path]:
    """Yield a group and all around it. In a container the path may be the machine's, and the top is the group."""
    below = Path(path.lstrip("/"))
    yield from (top / part for part in (below, *below.parents) if ".." not in part.parts)


def _quota(quota: str, period: str) -> Iterator[float]:
    """Yield quota per period; nothing for a group without a limit (``max``, -1) or that is not there."""
    if quota.strip().isdecimal() and period.strip().isdecimal() and int(quota) > 0 and int(period) > 0:
        yield int(quota) / int(period)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except (OSError, ValueError):
        return ""
