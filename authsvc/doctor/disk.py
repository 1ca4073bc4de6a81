"""The space where the service writes: the instance folder with pictures and keys, and SQLite's file."""

import os
from collections.abc import Iterator
from pathlib import Path

from authsvc.db.sqlitefile import path_of
from authsvc.doctor.case import Case
from authsvc.doctor.findings import Line, ok, skipped, warning, wrong

_MB = 1 << 20
_WRONG_BYTES, _WARNING_BYTES = 100 * _MB, 1024 * _MB
_FEW_FILES = 1000


def space(case: Case) -> Iterator[Line]:
    """Yield the free space of each disk that the service writes to."""
    seen: set[int] = set()
    for name, folder in _places(case):
        there = next((place for place in (folder, *folder.parents) if place.exists()), folder)
        device = there.stat().st_dev
        if device not in seen:
            seen.add(device)
            yield _judged(name, there)


def _places(case: Case) -> Iterator[tuple[str, Path]]:
    yield "INSTANCE_PATH", case.instance_path
    if case.settings_or_none and (database := path_of(case.settings_or_none.database_url)):
        yield "DATABASE_URL", database.parent
    for folder in ("avatars", "qrcodes"):
        yield f"INSTANCE_PATH: {folder}", case.instance_path / folder


def _judged(name: str, folder: Path) -> Line:
    disk = os.statvfs(folder)
    free = (disk.f_bfree if os.geteuid() == 0 else disk.f_bavail) * disk.f_frsize
    if disk.f_blocks == 0:
        return skipped(f"{name}: the file system of {folder} does not tell its size")
    says = f"{name}: {free // _MB:,} MB free of {disk.f_blocks * disk.f_frsize // _MB:,} ({folder})"
    if free < _WRONG_BYTES:
        return wrong(f"{says}; logins fail when it is full", "free some space now")
    if disk.f_files and disk.f_favail < _FEW_FILES:
        return wrong(f"{name}: room for only {disk.f_favail} more files ({folder})", "delete files there")
    if free < _WARNING_BYTES:
        return warning(says, "free some space, or move the folder to a larger disk")
    return ok(says)
