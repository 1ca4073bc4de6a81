"""The number of processors that this process may use: those of its container, not of the machine."""

import math
import os
from collections.abc import Iterator
from pathlib import Path

_ROOT = Path("/")


def available(root: Path = _ROOT) -> int:
    """Return the number, at least 1, that the affinity and every enclosing cgroup allow.

    A fraction of a processor counts as one. ``root`` is the parent of /proc and /sys.
    """
    allowed = float(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    return max(1, math.ceil(min([allowed, *_quotas(root)])))


def _quotas(root: Path) -> Iterator[float]:
    """Yield the limits of our cgroups in processors, for version 2 and version 1."""
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        if controllers == "":
            for folder in _upwards(root / "sys/fs/cgroup", path):
                yield from _quota(*[*_text(folder / "cpu.max").split(), "", ""][:2])
        elif "cpu" in controllers.split(","):
            for folder in _upwards(root / "sys/fs/cgroup" / controllers, path):
                yield from _quota(_text(folder / "cpu.cfs_quota_us"), _text(folder / "cpu.cfs_period_us"))


def _upwards(top: Path, path: str) -> Iterator[Path]:
    """Yield a group and all its parents. In a container the path may be the machine's, and the top is the group."""
    below = Path(path.lstrip("/"))
    yield from (top / part for part in (below, *below.parents) if ".." not in part.parts)


def _quota(quota: str, period: str) -> Iterator[float]:
    """Yield quota per period; nothing for a group that has no limit (``max``, -1) or does not exist."""
    if quota.strip().isdecimal() and period.strip().isdecimal() and int(quota) > 0 and int(period) > 0:
        yield int(quota) / int(period)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except (OSError, ValueError):
        return ""
