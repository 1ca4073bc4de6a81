"""The old name of ``authsvc_verifier``, which is now a separate distribution. Kept for one release."""

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
        "authsvc.verify is now the distribution authsvc-verifier: pip install ./verifier, and import authsvc_verifier",
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

warnings.warn("authsvc.verify is now authsvc_verifier; import that instead", DeprecationWarning, stacklevel=2)
