"""How a request of the doctor arrived: for nobody else, and for two minutes.

The doctor proves with SECRET_KEYS that it belongs to this installation, so it needs no credential in the database.
"""

import hmac
import re
import time

from authsvc.clock import SystemClock
from authsvc.errors import NoSuchRoute
from authsvc.sealing import KeyedHash

PATH = "/.well-known/authsvc-arrival"
HEADER = "Doctor-Proof"
PURPOSE = "doctor"
_SECONDS = 120
_PROOF = re.compile(r"([0-9]{1,12})\.([0-9a-f]{64})\Z", re.ASCII)


def proof(hashes: KeyedHash) -> str:
    """Return a value of the header for now; ``hashes`` are those of PURPOSE."""
    now = str(int(time.time()))
    return f"{now}.{hashes.of(now)}"


class Arrivals:
    """Recognises requests of the doctor."""

    def __init__(self, hashes: KeyedHash, clock: SystemClock) -> None:
        self._hashes = hashes
        self._clock = clock

    def check(self, shown: str) -> None:
        """Raise NoSuchRoute, as if there were no such route, unless the proof is right and at most two minutes old."""
        found = _PROOF.match(shown)
        at, tag = found.groups() if found else ("0", "")
        if not hmac.compare_digest(self._hashes.of(at), tag) or abs(self._clock.now() - int(at)) > _SECONDS:
            raise NoSuchRoute("no proof of the doctor")
