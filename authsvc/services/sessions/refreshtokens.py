"""Refresh tokens: ``<session id>.<counter>.<HMAC>``.

The token is not stored: the session's row has the counter, and the key of the HMAC is outside the database. So nobody
can forge one by reading the database, and a repeat gets the same token.
"""

import base64
import hashlib
import hmac
import re

from authsvc.errors import Unauthenticated
from authsvc.sealing import derive_key
from authsvc.values.tokens import SESSION_ID

_FORM = re.compile(rf"({SESSION_ID})\.(0|[1-9][0-9]{{0,8}})\.([A-Za-z0-9_-]{{43}})\Z")


class RefreshTokens:
    """Creates and checks refresh tokens; the first key creates them, every key is accepted."""

    def __init__(self, secret_keys: tuple[bytes, ...]) -> None:
        self._keys = [derive_key(key, "refresh tokens") for key in secret_keys]

    def make(self, session_id: str, counter: int) -> str:
        """Return the token of a session after ``counter`` rotations."""
        return f"{session_id}.{counter}.{_mac(self._keys[0], session_id, counter)}"

    def read(self, text: str) -> tuple[str, int]:
        """Return (session id, counter) of a valid token; raises Unauthenticated for any other text."""
        match = _FORM.match(text)
        if match is None:
            raise Unauthenticated("not a refresh token")
        session_id, counter, mac = match[1], int(match[2]), match[3]
        if not any(hmac.compare_digest(_mac(key, session_id, counter), mac) for key in self._keys):
            raise Unauthenticated("refresh token with a wrong HMAC")
        return session_id, counter


def _mac(key: bytes, session_id: str, counter: int) -> str:
    digest = hmac.new(key, f"{session_id}.{counter}".encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
