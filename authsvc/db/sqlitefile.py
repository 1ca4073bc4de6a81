"""The file of a SQLite database: where it is, that it is ours to write, and that nobody else reads it.

Imports nothing of a database: gunicorn asks before its workers exist.
"""

import logging
import os
import stat
from pathlib import Path

from authsvc.values.operator import Refused

logger = logging.getLogger(__name__)

_SCHEME = "sqlite:///"
_HEADER = b"SQLite format 3\0"
# What SQLite puts beside the file. It gives them the mode of the file, but only when it makes them.
_BESIDE = ("-wal", "-shm", "-journal")
_OPEN = os.O_CREAT | os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
# With less left on its disk, the next write may be the one that fails.
_ROOM = 1 << 20


class UnfitDatabase(Refused):
    """The service must not start on this database, or cannot: the text says what to do."""


def path_of(database_url: str) -> Path | None:
    """Return the file that an address names, None where it names a server."""
    return Path(database_url.removeprefix(_SCHEME)) if database_url.startswith(_SCHEME) else None


def prepare(database_url: str) -> None:
    """Make the file where there is none, and see to it that only we read and write what belongs to it.

    Raises UnfitDatabase where that cannot be had, or where something else has the name.
    """
    path = path_of(database_url)
    if path is None:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(path, _OPEN, 0o600)
    except OSError as error:
        raise UnfitDatabase(
            f"DATABASE_URL: {path} cannot be opened for writing: {os.strerror(error.errno or 0)}"
        ) from None
    try:
        _judge(descriptor, path)
    finally:
        os.close(descriptor)
    if not os.access(path.parent, os.W_OK | os.X_OK, effective_ids=True):
        raise UnfitDatabase(f"DATABASE_URL: SQLite has to make files beside {path}, and the folder is not writable")
    for ending in _BESIDE:
        _tighten_beside(path.with_name(path.name + ending))


def has_room(database_url: str) -> bool:
    """False where the disk of the file is as good as full; True as well where there is no file."""
    path = path_of(database_url)
    if path is None:
        return True
    there = os.statvfs(path.parent)
    free = there.f_bfree if os.geteuid() == 0 else there.f_bavail
    return free * there.f_frsize >= _ROOM


def _judge(descriptor: int, path: Path) -> None:
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        raise UnfitDatabase(f"DATABASE_URL: {path} is not a file")
    begins = os.pread(descriptor, len(_HEADER), 0)
    if begins not in (b"", _HEADER):
        raise UnfitDatabase(f"DATABASE_URL: {path} is there already and is not a SQLite database")
    _tighten(descriptor, path)


def _tighten_beside(path: Path) -> None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
    except FileNotFoundError:
        return
    except OSError as error:
        raise UnfitDatabase(f"DATABASE_URL: {path} cannot be opened: {os.strerror(error.errno or 0)}") from None
    try:
        _tighten(descriptor, path)
    finally:
        os.close(descriptor)


def _tighten(descriptor: int, path: Path) -> None:
    mode = stat.S_IMODE(os.fstat(descriptor).st_mode)
    if mode == 0o600:
        return
    try:
        os.fchmod(descriptor, 0o600)
    except OSError:
        if mode & 0o077:
            raise UnfitDatabase(
                f"DATABASE_URL: {path} is open to others (mode {mode:04o}), and is not ours to change; run: chmod 600"
            ) from None
        return
    if mode & 0o077:
        logger.warning("%s was open to others (mode %04o); its mode is 0600 now", path, mode)
