"""Compact JWTs signed with ES256: one spelling, one algorithm, keys only by ``kid``."""

import base64
import re
from collections.abc import Callable
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

from authsvc_verifier.errors import TokenRefused

ALGORITHM = "ES256"
_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\Z")
# The caller checks the times, with its clock.
_SIGNATURE_ONLY: Any = {
    "verify_signature": True,
    **{f"verify_{name}": False for name in ("exp", "nbf", "iat", "aud", "iss", "sub", "jti")},
}

FindKey = Callable[[str], EllipticCurvePublicKey]


def is_compact(text: str, most: int) -> bool:
    """True for three parts of canonical base64url with at most ``most`` characters in total."""
    return len(text) <= most and _COMPACT.match(text) is not None and all(map(_is_canonical, text.split(".")))


def read(text: str, kind: str, find_key: FindKey, most: int) -> dict[str, Any]:
    """Return the claims of a JWT of this ``typ`` with a valid signature; nothing else has been checked.

    Raises TokenRefused, and what ``find_key`` raises. Keys or key addresses inside the token are ignored.
    """
    if not is_compact(text, most):
        raise TokenRefused("not a compact JWT")
    try:
        header = jwt.get_unverified_header(text)
        kid = header.get("kid")
        named = (header.get("typ"), header.get("alg")) == (kind, ALGORITHM) and isinstance(kid, str)
        if not named or "crit" in header or "b64" in header:
            raise TokenRefused("another kind of token")
        claims: dict[str, Any] = jwt.decode(text, find_key(str(kid)), [ALGORITHM], _SIGNATURE_ONLY)
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
        raise TokenRefused(f"no valid signature: {type(error).__name__}") from None
    return claims


def _is_canonical(part: str) -> bool:
    """True for the only valid spelling; decoders ignore the spare bits of the last character."""
    try:
        raw = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except ValueError:
        return False
    return base64.urlsafe_b64encode(raw).rstrip(b"=") == part.encode()
