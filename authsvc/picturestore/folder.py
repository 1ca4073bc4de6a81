"""Pictures in a folder: written atomically, never outside the folder."""

import errno
import os
import re
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from authsvc import privatefolder
from authsvc.errors import PicturesUnavailable

# A writer needs milliseconds.
_DRAFT_SECONDS = 3600
# The file is missing, a link, or a socket.
_NO_PICTURE = {errno.ENOENT, errno.ELOOP, errno.ENXIO}
_DRAFT = re.compile(r"\..+\.[0-9a-f]{16}\.draft\Z")


class PictureFolder:
    """Stores pictures under ``folder``, each as a plain file with mode 0600. Anything else is not a picture."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, name: str, content: bytes) -> None:
        """Write, force to disk, rename. A link or pipe with this name is replaced, a folder moved aside."""
        with self._open() as folder:
            privatefolder.write(folder, name, content)

    def read(self, name: str) -> bytes | None:
        """Return a picture, or None; never follows a link, never waits for a pipe."""
        with self._open() as folder:
            try:
                descriptor = os.open(name, privatefolder.READ, dir_fd=folder)
            except OSError as error:
                if error.errno in _NO_PICTURE:
                    return None
                raise
            if not _is_picture(os.fstat(descriptor)):
                os.close(descriptor)
                return None
            with os.fdopen(descriptor, "rb") as file:
                return file.read()

    def holds(self, name: str) -> bool:
        """True if there is a plain file with this name."""
        with self._open() as folder:
            try:
                return _is_picture(os.stat(name, dir_fd=folder, follow_symlinks=False))
            except FileNotFoundError:
                return False

    def delete(self, name: str) -> None:
        """Delete a picture if there is one."""
        with self._open() as folder, suppress(FileNotFoundError, IsADirectoryError):
            os.unlink(name, dir_fd=folder)

    def sweep(self) -> int:
        """Remove the drafts of writers that were killed."""
        if not self._folder.is_dir():
            return 0
        with self._open() as folder:
            drafts = [entry.name for entry in os.scandir(folder) if _DRAFT.match(entry.name)]
            return sum(_remove_if_old(folder, name) for name in drafts)

    @contextmanager
    def _open(self) -> Iterator[int]:
        """Open the folder; OSErrors inside become PicturesUnavailable."""
        try:
            with privatefolder.opened(self._folder) as folder:
                yield folder
        except OSError as error:
            reason = errno.errorcode.get(error.errno or 0, error.errno)
            raise PicturesUnavailable(f"folder {self._folder.name}: {type(error).__name__} {reason}") from None


def _is_picture(facts: os.stat_result) -> bool:
    """True for a plain file with only one name: a second name could belong to somebody else's file."""
    return stat.S_ISREG(facts.st_mode) and facts.st_nlink <= 1


def _remove_if_old(folder: int, name: str) -> bool:
    try:
        if time.time() - os.stat(name, dir_fd=folder, follow_symlinks=False).st_mtime < _DRAFT_SECONDS:
            return False
        os.unlink(name, dir_fd=folder)
    except FileNotFoundError:  # its writer has just finished, or another sweep removed it
        return False
    return True
