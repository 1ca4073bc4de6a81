"""Workers: as many as the container may use processors, whatever the machine has."""

import os
from pathlib import Path

import pytest

from authsvc import cpus


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """One with 64 processors, all of them ours."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)))


def laid_out(root: Path, cgroup: str, **files: str) -> Path:
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(cgroup)
    for name, text in files.items():
        path = root / "sys/fs/cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.mark.parametrize(
    "quota, workers",
    [
        ("200000 100000", 2),
        ("150000 100000", 2),
        ("50000 100000", 1),
        ("max 100000", 64),
        ("", 64),
        ("odd", 64),
        ("0 0", 64),
    ],
)
def test_the_quota_of_a_container_counts(tmp_path: Path, quota: str, workers: int) -> None:
    root = laid_out(tmp_path, "0::/\n", **{"cpu.max": f"{quota}\n"})
    assert cpus.available(root) == workers


def test_the_narrowest_group_around_us_counts(tmp_path: Path) -> None:
    files = {"system.slice/cpu.max": "300000 100000", "system.slice/authsvc.service/cpu.max": "max 100000"}
    assert cpus.available(laid_out(tmp_path, "0::/system.slice/authsvc.service\n", **files)) == 3


def test_version_1_says_it_in_two_files(tmp_path: Path) -> None:
    cgroup = "12:memory:/docker/abc\n4:cpu,cpuacct:/docker/abc\n0::/\n"
    # Within the container the path is the machine's, and what is mounted is the group itself.
    files = {"cpu,cpuacct/cpu.cfs_quota_us": "400000\n", "cpu,cpuacct/cpu.cfs_period_us": "100000\n"}
    assert cpus.available(laid_out(tmp_path, cgroup, **files)) == 4
    (tmp_path / "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us").write_text("-1\n")
    assert cpus.available(tmp_path) == 64


def test_the_affinity_counts_and_no_cgroup_is_no_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cpus.available(tmp_path) == 64
    assert cpus.available(laid_out(tmp_path, "0::/../../elsewhere\nnonsense\n")) == 64
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {5})
    assert cpus.available(tmp_path) == 1
