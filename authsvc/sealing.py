"""Encryption of stored secrets and keyed hashes, with keys derived from SECRET_KEYS.

Every purpose has its own key, derived with HKDF (RFC 5869), so a text sealed for one purpose never opens for another.
"""

import base64
import hashlib
import hmac

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


class Sealer:
    """Encrypts and authenticates short texts for one purpose; the first key seals, every key opens."""

    def __init__(self, secret_keys: tuple[bytes, ...], purpose: str) -> None:
        keys = [base64.urlsafe_b64encode(derive_key(key, purpose)) for key in secret_keys]
        self._fernet = MultiFernet([Fernet(key) for key in keys])

    def seal(self, text: str) -> str:
        """Return ``text`` sealed, as ASCII (120 characters for a session_key of 24)."""
        return self._fernet.encrypt(text.encode()).decode()

    def open(self, sealed: str | None) -> str | None:
        """Return the sealed text, or None if there is none or none of our keys opens it."""
        if sealed is None or not _is_canonical(sealed):
            return None
        try:
            return self._fernet.decrypt(sealed).decode()
        except InvalidToken:
            return None


class KeyedHash:
    """HMAC-SHA256 for one purpose, in place of a value that must not be stored or logged."""

    def __init__(self, secret_keys: tuple[bytes, ...], purpose: str) -> None:
        self._key = derive_key(secret_keys[0], purpose)

    def of(self, *parts: str) -> str:
        """Return 64 hex digits; parts are separated, so ("ab", "c") and ("a", "bc") differ."""
        message = "\0".join(parts).encode()
        return hmac.new(self._key, message, hashlib.sha256).hexdigest()


class LastingHash:
    """A KeyedHash that survives a change of SECRET_KEYS: the first key creates hashes, every key recognises them."""

    def __init__(self, secret_keys: tuple[bytes, ...], purpose: str) -> None:
        self._hashes = [KeyedHash((key,), purpose) for key in secret_keys]

    def of(self, *parts: str) -> str:
        """Return 64 hex digits under the first key, as ``KeyedHash.of`` does."""
        return self._hashes[0].of(*parts)

    def any_of(self, *parts: str) -> list[str]:
        """Return the hash under each key, the first key's first."""
        return [hashes.of(*parts) for hashes in self._hashes]


def _is_canonical(sealed: str) -> bool:
    """True for the only valid spelling: Fernet's decoder ignores foreign characters and text after the padding."""
    try:
        return base64.urlsafe_b64encode(base64.urlsafe_b64decode(sealed)) == sealed.encode()
    except ValueError:
        return False


def derive_key(secret: bytes, purpose: str) -> bytes:
    """Return 32 bytes that depend on the secret and the purpose."""
    return HKDF(SHA256(), length=32, salt=None, info=f"authsvc:{purpose}".encode()).derive(secret)
