"""Verifies authsvc's tokens offline in another Python service, and refuses logged-out tokens within seconds.

Needs PyJWT, cryptography and requests, and nothing else of authsvc; ``authsvc_verifier.flask`` needs Flask as well::

    verifier = Verifier("https://login.example.com", "wx0123456789abcdef", credential="orders.…")
    claims = verifier.verify(token)  # raises TokenRefused or CannotVerify
"""

from authsvc_verifier.errors import (
    CannotVerify,
    FeedUnavailable,
    KeysUnavailable,
    TokenExpired,
    TokenRefused,
    TokenRevoked,
)
from authsvc_verifier.verifier import Claims, Verifier

__version__ = "0.1.0"

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
