"""Verifies authsvc's tokens in another Python service, offline, and refuses what was logged out within seconds.

Needs PyJWT, cryptography and requests, and nothing else of authsvc; ``authsvc.verify.flask`` needs Flask as well::

    verifier = Verifier("https://login.example.com", "wx0123456789abcdef", credential="orders.…")
    claims = verifier.verify(token)  # raises TokenRefused or CannotVerify
"""

from authsvc.verify.errors import (
    CannotVerify,
    FeedUnavailable,
    KeysUnavailable,
    TokenExpired,
    TokenRefused,
    TokenRevoked,
)
from authsvc.verify.verifier import Claims, Verifier

__all__ = [
    "CannotVerify",
    "Claims",
    "FeedUnavailable",
    "KeysUnavailable",
    "TokenExpired",
    "TokenRefused",
    "TokenRevoked",
    "Verifier",
]
