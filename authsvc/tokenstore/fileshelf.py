"""The shelf of one machine: a folder with a file per mini program, mode 0600, and a lock beside each.

Local disks only: on NFS neither the lock nor the rename is reliable. Files are opened relative to the folder, without
following links and without waiting, so anything planted there is noticed and never written to.
"""

import errno
import logging
import os
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from authsvc import privatefolder
from authsvc.clock import SystemClock
from authsvc.tokenstore.shelf import (
    MAX_RECORD_BYTES,
    Failure,
    Record,
    ShelfUnavailable,
    Unfit,
    failure_text,
    read_failure,
    read_record,
    record_text,
)
from authsvc.values.wechat import APPID

logger = logging.getLogger(__name__)

# filelock polls instead of blocking in the kernel, which would stop every greenlet of a worker.
_POLL_SECONDS = 0.02
# A link, a folder, a socket, or another user's file is in the lock's place. Any other error may be temporary.
_NOT_LOCKABLE = {errno.ELOOP, errno.EISDIR, errno.ENXIO, errno.EACCES, errno.EPERM}
_DRAFT = re.compile(rf"\.({APPID})(?:\.failure)?\.json\.[0-9a-f]{{16}}\.draft\Z")


class FileShelf:
    """Stores records in ``folder`` (``instance/access_token``).

    A kill at any moment leaves the old or the new record.
    """

    name = "file"

    def __init__(self, folder: Path, clock: SystemClock) -> None:
        """Remove what killed writers have left behind. Never fails, and creates nothing before the first use,

        since a command run as root (``flask db upgrade``) must not own the folder.
        """
        self._folder = folder
        self._clock = clock
        self._unfit: set[tuple[str, str]] = set()
        self._sweep_all()

    def read(self, appid: str, *, hurry: bool) -> Record | None:
        """Return the record; anything but a plain private file of our own with a record in it counts as none."""
        name = f"{appid}.json"
        try:
            content = self._content(name)
            record = None if content is None else read_record(appid, content, self._clock.now())
        except Unfit as reason:
            self._warn_once(name, str(reason))
            return None
        self._unfit = {known for known in self._unfit if known[0] != name}
        return record

    def write(self, appid: str, record: Record) -> None:
        """Write a draft in the same folder, force it to disk, rename it, force the rename to disk."""
        self._write(appid, f"{appid}.json", record_text(appid, record, self._clock.now()))

    def read_failure(self, appid: str) -> Failure | None:
        """Return the last failed fetch, until its time is over."""
        name = f"{appid}.failure.json"
        try:
            content = self._content(name)
            return None if content is None else read_failure(appid, content, self._clock.now())
        except Unfit as reason:
            self._warn_once(name, str(reason))
            return None

    def write_failure(self, appid: str, failure: Failure, seconds: float) -> None:
        """Remember a failed fetch for ``seconds``."""
        self._write(appid, f"{appid}.failure.json", failure_text(appid, failure, self._clock.now(), seconds))

    def forget_failure(self, appid: str) -> None:
        """Forget the last failed fetch."""
        with self._open_folder() as folder, suppress(FileNotFoundError):
            os.unlink(f"{appid}.failure.json", dir_fd=folder)

    def lock(self, appid: str, seconds: float) -> Callable[[], None] | None:
        """Lock ``<appid>.lock``; the kernel releases it if its holder dies."""
        with self._open_folder():
            name = f"{appid}.lock"
            try:
                return self._acquire(name, seconds)
            except OSError as error:
                if error.errno not in _NOT_LOCKABLE:
                    raise
                self._put_aside(name)
                return self._acquire(name, seconds)

    def _acquire(self, name: str, seconds: float) -> Callable[[], None] | None:
        lock = FileLock(
            self._folder / name, mode=privatefolder.PRIVATE, poll_interval=_POLL_SECONDS, fallback_to_soft=False
        )
        try:
            lock.acquire(timeout=max(0.0, seconds))
        except Timeout:  # an OSError too, but it means that another process has the lock
            return None
        return lock.release

    def _content(self, name: str) -> bytes | None:
        """Return the content of a file, or None if there is none.

        Raises Unfit unless it is our own plain private file.
        """
        with self._open_folder() as folder:
            try:
                descriptor = os.open(name, privatefolder.READ, dir_fd=folder)
            except FileNotFoundError:
                return None
            except OSError as error:
                raise Unfit(f"cannot be opened ({errno.errorcode.get(error.errno or 0)})") from None
        try:
            _require_plain(os.fstat(descriptor))
            return os.read(descriptor, MAX_RECORD_BYTES + 1)
        except OSError as error:
            raise Unfit(f"cannot be read ({errno.errorcode.get(error.errno or 0)})") from None
        finally:
            os.close(descriptor)

    def _write(self, appid: str, name: str, text: str) -> None:
        with self._open_folder() as folder:
            self._sweep(folder, appid)
            privatefolder.write(folder, name, text.encode())

    def _put_aside(self, name: str) -> None:
        """Rename what is in the place of a lock file but cannot be locked: a link, a folder, another user's file."""
        self._warn_once(name, "cannot be locked")
        with self._open_folder() as folder:
            privatefolder.put_aside(folder, name)

    @contextmanager
    def _open_folder(self) -> Iterator[int]:
        """Open the folder, which must be our own and private (and is made so).

        OSErrors inside become ShelfUnavailable.
        """
        try:
            with privatefolder.opened(self._folder) as folder:
                yield folder
        except OSError as error:
            raise _unavailable(error) from None

    def _sweep_all(self) -> None:
        if not self._folder.is_dir():
            return
        try:
            with self._open_folder() as folder:
                apps = {found[1] for name in _names(folder) if (found := _DRAFT.match(name))}
            for appid in apps:
                self._sweep_under_lock(appid)
        except ShelfUnavailable as error:
            logger.warning("drafts of access_token files not swept: %s", error)

    def _sweep_under_lock(self, appid: str) -> None:
        release = self.lock(appid, 0)
        if release is None:
            return  # another process is writing; its next write sweeps
        try:
            with self._open_folder() as folder:
                self._sweep(folder, appid)
        finally:
            release()

    def _sweep(self, folder: int, appid: str) -> None:
        """Remove drafts of this app. Under its lock, every draft was left by a killed writer."""
        for name in _names(folder):
            found = _DRAFT.match(name)
            if found and found[1] == appid:
                with suppress(OSError):
                    os.unlink(name, dir_fd=folder)

    def _warn_once(self, name: str, reason: str) -> None:
        if (name, reason) not in self._unfit:
            self._unfit.add((name, reason))
            logger.warning("%s in the access_token folder is not used and will be replaced: %s", name, reason)


def _names(folder: int) -> list[str]:
    return os.listdir(folder)


def _require_plain(facts: os.stat_result) -> None:
    """Raise Unfit unless this is a plain file that only we can read, with one name and a plausible size."""
    if not stat.S_ISREG(facts.st_mode):
        raise Unfit("not a plain file")
    if facts.st_uid != os.geteuid():
        raise Unfit("it belongs to another user")
    if stat.S_IMODE(facts.st_mode) & 0o077:
        raise Unfit("others may read or write it")
    if facts.st_nlink > 1:  # 0 means that it was just replaced, and is complete
        raise Unfit("it has a second name")
    if facts.st_size > MAX_RECORD_BYTES:
        raise Unfit("it is too large")


def _unavailable(error: OSError) -> ShelfUnavailable:
    return ShelfUnavailable(f"{type(error).__name__} {errno.errorcode.get(error.errno or 0, error.errno)}")
