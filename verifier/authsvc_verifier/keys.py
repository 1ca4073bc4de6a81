"""The public keys of authsvc: cached, renewed in time, and kept while they cannot be fetched."""

import base64
import json
import logging
import re
import threading
from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey, EllipticCurvePublicNumbers

from authsvc_verifier.compact import ALGORITHM
from authsvc_verifier.errors import FetchFailed, KeysUnavailable, TokenRefused

logger = logging.getLogger(__name__)

PATH = "/.well-known/jwks.json"
MOST_BYTES = 64 * 1024
_MOST_KEYS = 100
# authsvc tells how long its keys may be cached, and publishes a key that long before signing with it.
_FRESH_SECONDS = re.compile(r"(?:.*[ ,])?max-age=(\d{1,5})\b")
_FRESH_UNSAID = 300
# A stranger may send any kid, so only one unknown kid in this many seconds triggers a new fetch.
_COOL_DOWN_SECONDS = 30
# Without any key nobody gets in, so fetch more often.
_FIRST_SECONDS = 2
# After a day without authsvc, it may have retired a key long ago.
_LAST_SECONDS = 86400


class KeySource:
    """Keys by ``kid``. Threads may share it."""

    def __init__(self, fetch: Callable[[], tuple[bytes, str]], clock: Callable[[], float]) -> None:
        """``fetch`` returns the text of the key set and its Cache-Control, or raises FetchFailed."""
        self._fetch = fetch
        self._clock = clock
        self._keys: dict[str, EllipticCurvePublicKey] = {}
        self._fresh: float = _FRESH_UNSAID
        self._fetched_at = self._failed_at = self._looked_at = float("-inf")
        self.reset()

    def reset(self) -> None:
        """Create new locks, because after a fork a thread that no longer exists may hold the old ones."""
        self._lock = threading.Lock()

    def get(self, kid: str) -> EllipticCurvePublicKey:
        """Return a key, after fetching the key set if the key may be new. Raises TokenRefused, KeysUnavailable."""
        key = self._keys.get(kid)
        if key is None:
            with self._lock:
                self._look_for(kid)
                key = self._keys.get(kid)
        if self._clock() - self._fetched_at > _LAST_SECONDS:
            raise KeysUnavailable("there is no key set, or it is more than a day old")
        if key is None:
            raise TokenRefused("unknown key")
        return key

    def renew(self) -> None:
        """Fetch the key set if it is time to, unless another thread is doing it."""
        if self._is_due() and self._lock.acquire(blocking=False):
            try:
                if self._is_due():
                    self._load()
            finally:
                self._lock.release()

    def _look_for(self, kid: str) -> None:
        if kid in self._keys:  # another thread has just fetched it
            return
        if not self._keys:
            if self._is_due():
                self._load()
        elif not self._is_within(self._looked_at, _COOL_DOWN_SECONDS):
            self._looked_at = self._clock()
            self._load()

    def _load(self) -> None:
        try:
            text, cache_control = self._fetch()
            self._keys = _keys(text)
            said = _FRESH_SECONDS.match(cache_control)
            self._fresh = int(said[1]) if said else _FRESH_UNSAID
            self._fetched_at = self._clock()
        except FetchFailed as failure:
            self._failed_at = self._clock()
            logger.warning("key set not renewed: %s", failure)

    def _is_due(self) -> bool:
        patience = _COOL_DOWN_SECONDS if self._keys else _FIRST_SECONDS
        return not self._is_within(self._fetched_at, self._fresh) and not self._is_within(self._failed_at, patience)

    def _is_within(self, moment: float, seconds: float) -> bool:
        """True if that was less than this many seconds ago; False if the clock was set back meanwhile."""
        return 0 <= self._clock() - moment < seconds


def _keys(text: bytes) -> dict[str, EllipticCurvePublicKey]:
    """Return the keys of a set that can verify tokens; other keys are ignored."""
    try:
        members = json.loads(text)["keys"][:_MOST_KEYS]
        found = {jwk["kid"]: _public_key(jwk) for jwk in members if _is_ours(jwk)}
    except (ValueError, TypeError, KeyError, RecursionError):
        raise FetchFailed("not a key set") from None
    if not found:
        raise FetchFailed(f"a key set without a key for {ALGORITHM}")
    return found


def _is_ours(jwk: dict[str, Any]) -> bool:
    return (
        (jwk.get("kty"), jwk.get("crv")) == ("EC", "P-256")
        and jwk.get("use", "sig") == "sig"
        and jwk.get("alg", ALGORITHM) == ALGORITHM
        and isinstance(jwk.get("kid"), str)
    )


def _public_key(jwk: dict[str, str]) -> EllipticCurvePublicKey:
    return EllipticCurvePublicNumbers(_number(jwk["x"]), _number(jwk["y"]), SECP256R1()).public_key()


def _number(text: str) -> int:
    return int.from_bytes(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), "big")
