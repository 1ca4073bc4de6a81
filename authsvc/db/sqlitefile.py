"""The file of a SQLite database: finds it, and checks that only we can read and write it.

Imports no database library, because gunicorn calls this before its workers exist.
"""

import logging
import os
import stat
from pathlib import Path

from authsvc.values.operator import Refused

logger = logging.getLogger(__name__)

_SCHEME = "sqlite:///"
_HEADER = b"SQLite format 3\0"
# The files that SQLite puts beside the file. They get the mode of the file, but only when SQLite creates them.
_BESIDE = ("-wal", "-shm", "-journal")
# The file beside it in which processes queue to write.
_TURNS = "-turns"
_OPEN = os.O_CREAT | os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
# With less space left on its disk, the next write may fail.
_ROOM = 1 << 20


class UnfitDatabase(Refused):
    """The service must not, or cannot, start with this database. The text says what to do."""


def path_of(database_url: str) -> Path | None:
    """Return the file that an address names, or None if it names a server."""
    return Path(database_url.removeprefix(_SCHEME)) if database_url.startswith(_SCHEME) else None


def turns_of(file: str | None) -> Path | None:
    """Return the file in which the writers of this database queue, None if only this process can write to it."""
    return Path(file + _TURNS) if file and file != ":memory:" else None


def prepare(database_url: str) -> None:
    """Create the file if it is missing, and make sure that only we can read and write it and the files beside it.

    Raises UnfitDatabase if that is not possible, or if something else has the name.
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
        raise UnfitDatabase(f"DATABASE_URL: SQLite has to create files beside {path}, but the folder is not writable")
    for ending in (*_BESIDE, _TURNS):
        _tighten_beside(path.with_name(path.name + ending))


def has_room(database_url: str) -> bool:
    """False if the disk of the file is nearly full; also True if there is no file."""
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
        raise UnfitDatabase(f"DATABASE_URL: {path} already exists and is not a SQLite database")
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
                f"DATABASE_URL: {path} is accessible to others (mode {mode:04o}), and authsvc cannot change that; "
                "run: chmod 600"
            ) from None
        return
    if mode & 0o077:
        logger.warning("%s was accessible to others (mode %04o); its mode is now 0600", path, mode)
