"""The key file: created once and replaced as a whole, so that a reader sees either the old keys or the new ones.

It is ``{"keys": [{"state": …, "since": seconds, "jwk": {…private members…}}]}``, mode 0600 from its first byte.
"""

import contextlib
import fcntl
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from joserfc.jwk import ECKey

from authsvc.signing.keyset import Key, KeySet
from authsvc.values.tokens import CURVE

# Under the instance folder.
KEY_FILE = "keys/signing.json"

Change = Callable[[tuple[Key, ...]], list[Key]]


def new_key(now: int) -> Key:
    """Create a key that will sign later."""
    return Key("published", now, ECKey.generate_key(CURVE, private=True))


def create_key_file(path: Path) -> bool:
    """Write a file with one new signing key; False if the file exists."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _draft(path.parent, [Key("signing", 0, ECKey.generate_key(CURVE, private=True))]) as draft:
        try:
            os.link(draft, path)  # unlike a rename, a link never replaces keys that another process has just created
        except FileExistsError:
            return False
    return True


def change_key_file(path: Path, change: Change) -> KeySet:
    """Replace the keys by the result of ``change``; several callers run one after the other.

    Raises BadKeys before anything is written if the file, or the result, is not a valid key file.
    """
    with _alone_in(path.parent):
        keys = change(KeySet.load(path).keys)
        changed = KeySet.of(str(path), keys)
        owner = path.stat()
        with _draft(path.parent, keys) as draft:
            if os.geteuid() == 0:  # the service runs as another user, who must be able to read it
                os.chown(draft, owner.st_uid, owner.st_gid)
            Path(draft).rename(path)
    return changed


@contextlib.contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Hold the folder's lock; all changes are on the disk when it is released."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _draft(folder: Path, keys: list[Key]) -> Iterator[str]:
    """Write the keys to a draft beside the file, and remove the draft if it is left over."""
    stored = {"keys": [{"state": key.state, "since": key.since, "jwk": _private_jwk(key)} for key in keys]}
    descriptor, draft = tempfile.mkstemp(dir=folder)  # mkstemp creates it with mode 0600
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            json.dump(stored, file)
            file.flush()
            os.fsync(file.fileno())
        yield draft
    finally:
        Path(draft).unlink(missing_ok=True)


def _private_jwk(key: Key) -> dict[str, object]:
    return {**key.key.as_dict(private=True), "kid": key.kid}
