"""The old name of ``authsvc_verifier``, a distribution of its own now. Kept for one release."""

import warnings

try:
    from authsvc_verifier import (
        CannotVerify,
        Claims,
        FeedUnavailable,
        KeysUnavailable,
        TokenExpired,
        TokenRefused,
        TokenRevoked,
        Verifier,
    )
except ModuleNotFoundError as missing:
    if missing.name != "authsvc_verifier":
        raise
    raise ModuleNotFoundError(
        "authsvc.verify is the distribution authsvc-verifier now: pip install ./verifier, and import authsvc_verifier",
        name=missing.name,
    ) from None

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

warnings.warn("authsvc.verify is authsvc_verifier now: import that", DeprecationWarning, stacklevel=2)
