"""Pictures in a folder: written atomically, named so that a guess is pointless, never outside the folder."""

import os
import re
import secrets
import tempfile
from pathlib import Path

# 128 random bits and an ending that we chose: nothing of a stranger's making reaches the file system.
_NAME = re.compile(r"[0-9a-f]{32}\.(?:jpg|png|webp)\Z")


class PictureFolder:
    """Keeps pictures under ``folder`` and hands out addresses that begin with ``base_url``."""

    def __init__(self, folder: Path, base_url: str) -> None:
        self._folder = folder
        self._base_url = base_url.rstrip("/")

    def put(self, content: bytes, ending: str) -> str:
        """Store a picture (``ending`` such as "jpg") and return its address. Raises OSError when the disk is full."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        name = f"{secrets.token_hex(16)}.{ending}"
        descriptor, draft = tempfile.mkstemp(dir=self._folder, prefix=".draft-")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            Path(draft).replace(self._folder / name)
        except BaseException:
            Path(draft).unlink(missing_ok=True)
            raise
        return f"{self._base_url}/{name}"

    def read(self, name: str) -> bytes | None:
        """Return a picture by its file name, or None; a name that is not of our making is never looked up."""
        if not _NAME.match(name):
            return None
        try:
            descriptor = os.open(self._folder / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            return None
        with os.fdopen(descriptor, "rb") as file:
            return file.read()

    def holds(self, address: str | None) -> bool:
        """True for an address that begins as ours do, whether or not there is a picture."""
        return address is not None and address.startswith(f"{self._base_url}/")

    def delete_address(self, address: str | None) -> None:
        """Delete the picture at an address of ours; addresses of others are left alone."""
        if address is None or not self.holds(address):
            return
        name = address.removeprefix(f"{self._base_url}/")
        if _NAME.match(name):
            (self._folder / name).unlink(missing_ok=True)
