"""The keys in use. Every worker checks their file for changes, so that a change needs no restart."""

import logging
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

from authsvc.clock import SystemClock
from authsvc.signing.keyfile import KEY_FILE
from authsvc.signing.keyset import BadKeys, KeySet

logger = logging.getLogger(__name__)

# A check costs one stat of a local file: 2 µs.
LOOK_SECONDS = 1


@dataclass(frozen=True, slots=True)
class KeySource:
    """Where the keys are: a key file, or PEM text of the settings, which may come from a file."""

    path: Path | None
    pem: str | None = field(default=None, repr=False)

    def load(self) -> KeySet:
        """Return the keys. Raises BadKeys."""
        if self.pem is None and self.path is not None:
            return KeySet.load(self.path)
        return KeySet.from_pem(self._pem_now())

    def mark(self) -> tuple[int, ...]:
        """Return a value that changes when the file changes."""
        try:
            status = self.path.stat() if self.path else None
        except OSError:
            status = None
        return (status.st_ino, status.st_mtime_ns, status.st_size) if status else ()

    def _pem_now(self) -> str:
        try:
            return self.path.read_text(encoding="utf-8") if self.path else self.pem or ""
        except (OSError, UnicodeDecodeError):
            raise BadKeys("JWT_PRIVATE_KEY_FILE does not name a readable text file") from None


def key_source(instance_path: Path, pem: str | None, pem_file: Path | None) -> KeySource:
    """Return where the keys are: in the setting JWT_PRIVATE_KEY if it is given, else in the instance folder."""
    return KeySource(instance_path / KEY_FILE) if pem is None else KeySource(pem_file, pem)


class KeyRing:
    """The current keys. Keys that cannot be read do not replace them."""

    def __init__(self, source: KeySource, clock: SystemClock) -> None:
        """Read the keys. Raises BadKeys."""
        self._source = source
        self._clock = clock
        self._looked_at = clock.monotonic()
        self._mark = source.mark()
        self._keys = source.load()

    @property
    def key_file(self) -> Path | None:
        """The file that can be changed, or None if the keys come from settings."""
        return self._source.path if self._source.pem is None else None

    def current(self) -> KeySet:
        """Return the keys as they were at most LOOK_SECONDS ago."""
        if self._clock.monotonic() - self._looked_at >= LOOK_SECONDS:
            self.look()
        return self._keys

    def public_key(self, kid: str) -> EllipticCurvePublicKey | None:
        """Return the key with this name.

        An unknown name triggers an immediate check, because another worker may know it.
        """
        if kid not in self._keys.public_keys:
            self.look()
        return self.current().public_keys.get(kid)

    def look(self) -> None:
        """Read the keys again if they have changed."""
        self._looked_at = self._clock.monotonic()
        mark = self._source.mark()
        if mark == self._mark:
            return
        self._mark = mark
        try:
            self._keys = self._source.load()
        except BadKeys as problem:
            logger.error("the changed keys cannot be used, the former ones stay in use: %s", problem)
        else:
            logger.info("keys changed: %s signs, %d published", self._keys.signing_kid, len(self._keys.keys))
