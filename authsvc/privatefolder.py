"""A folder that only we can read and write, with files that are replaced atomically.

Everything is opened relative to the folder, without following links and without waiting, so anything planted there is
noticed and never written to. It must be on a local disk, because a rename on NFS is not reliable.
"""

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PRIVATE = 0o600
READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@contextmanager
def opened(path: Path) -> Iterator[int]:
    """Give a descriptor of the folder, which is created if needed and made private. Raises OSError, also for a link."""
    descriptor = _open(path)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _open(path: Path) -> int:
    try:
        descriptor = os.open(path, _FOLDER)
    except FileNotFoundError:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.chmod(0o700)  # a umask may have removed our own bits
        descriptor = os.open(path, _FOLDER)
    if stat.S_IMODE(os.fstat(descriptor).st_mode) & 0o077:
        try:
            os.fchmod(descriptor, 0o700)
        except OSError:
            os.close(descriptor)
            raise
    return descriptor


def write(folder: int, name: str, content: bytes) -> None:
    """Write a draft (``.name.….draft``) in the same folder, force it to disk, rename it, force the rename to disk.

    Raises OSError, and then leaves the old file unchanged.
    """
    draft = f".{name}.{secrets.token_hex(8)}.draft"
    try:
        _write_through(folder, draft, content)
        _put_in_place(folder, draft, name)
        os.fsync(folder)
    except OSError:
        with suppress(OSError):
            os.unlink(draft, dir_fd=folder)
        raise


def _write_through(folder: int, name: str, content: bytes) -> None:
    descriptor = os.open(name, _CREATE, PRIVATE, dir_fd=folder)
    try:
        os.fchmod(descriptor, PRIVATE)  # a umask may have removed our own bits
        written = 0
        while written < len(content):
            written += os.write(descriptor, content[written:])
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _put_in_place(folder: int, draft: str, name: str) -> None:
    """Rename over anything with this name: a link or a pipe is replaced, a folder is moved aside."""
    try:
        os.replace(draft, name, src_dir_fd=folder, dst_dir_fd=folder)
    except IsADirectoryError:
        put_aside(folder, name)
        os.replace(draft, name, src_dir_fd=folder, dst_dir_fd=folder)


def put_aside(folder: int, name: str) -> None:
    """Rename what has this name, so that an operator can look at it."""
    os.rename(name, f"{name}.unfit-{secrets.token_hex(4)}", src_dir_fd=folder, dst_dir_fd=folder)
