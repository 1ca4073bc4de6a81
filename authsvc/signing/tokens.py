"""Access tokens: JWTs signed with ES256, typed ``at+jwt`` (RFC 9068 §2.1), checked strictly.

PyJWT issues the tokens: flask-jwt-extended would add ``fresh`` and ``type`` to the claims that verifiers expect, and
needs an application context. flask-jwt-extended's ``decode_token`` checks them, with additional checks that neither
library makes: canonical base64url, the type, a known ``kid``, and the exact set of claims.
"""

import re
from collections.abc import Mapping
from typing import Any

import jwt
from flask import Flask
from flask_jwt_extended import JWTManager, decode_token
from flask_jwt_extended.exceptions import JWTExtendedException

from authsvc.clock import SystemClock
from authsvc.errors import Unauthenticated
from authsvc.signing.compact import is_compact
from authsvc.signing.keyring import KeyRing
from authsvc.values.claims import ClaimValue
from authsvc.values.sessions import AccessToken, VerifiedClaims
from authsvc.values.tokens import ACCESS_TOKEN_TYPE, ALGORITHM, SESSION_ID
from authsvc.values.wechat import MiniProgram

# The clocks of one deployment's machines may differ by this much; nobody else relies on it.
CLOCK_LEEWAY_SECONDS = 5
_MAX_TOKEN_CHARS = 8192
_SESSION_ID = re.compile(rf"{SESSION_ID}\Z")
_USER_ID = re.compile(r"[1-9][0-9]{0,18}\Z")


class TokenIssuer:
    """Signs access tokens and other statements of authsvc."""

    def __init__(self, keys: KeyRing, issuer: str, clock: SystemClock) -> None:
        self._keys = keys
        self._issuer = issuer
        self._clock = clock

    def issue(
        self,
        *,
        user_id: int,
        session_id: str,
        app: MiniProgram,
        lifetime: int,
        jti: str,
        extra: Mapping[str, ClaimValue],
    ) -> AccessToken:
        """Return a token for ``lifetime`` seconds. ``extra`` claims cannot replace the standard ones."""
        now = self._clock.seconds()
        claims: dict[str, Any] = {
            **extra,
            "aud": app.audience,
            "sub": str(user_id),
            "iat": now,
            "exp": now + lifetime,
            "jti": jti,
            "sid": session_id,
            "appid": app.appid,
        }
        return AccessToken(self.sign(claims, ACCESS_TOKEN_TYPE), lifetime)

    def sign(self, claims: dict[str, Any], kind: str) -> str:
        """Return these claims with the issuer as a JWT of this ``typ``, signed with the current key."""
        keys = self._keys.current()
        headers = {"typ": kind, "kid": keys.signing_kid}
        return jwt.encode({**claims, "iss": self._issuer}, keys.signing_key, ALGORITHM, headers=headers)


class TokenChecker:
    """Checks authsvc's own access tokens. Works in an application context of the app it was installed on."""

    def __init__(self, keys: KeyRing, issuer: str, apps: tuple[MiniProgram, ...]) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audiences = {app.appid: app.audience for app in apps}

    def install(self, app: Flask) -> None:
        """Configure flask-jwt-extended on ``app``."""
        app.config.update(
            JWT_ALGORITHM=ALGORITHM,
            JWT_DECODE_ALGORITHMS=[ALGORITHM],
            JWT_DECODE_ISSUER=self._issuer,
            JWT_DECODE_AUDIENCE=sorted(self._audiences.values()),
            JWT_DECODE_LEEWAY=CLOCK_LEEWAY_SECONDS,
        )
        manager = JWTManager(app)
        manager.decode_key_loader(self._find_key)

    def check(self, text: str, *, allow_expired: bool = False) -> VerifiedClaims:
        """Return the claims of a token that is authentic, unaltered and not expired; otherwise raises Unauthenticated.

        ``allow_expired`` is for a front end that renews its only token after it has expired.
        """
        if not is_compact(text, _MAX_TOKEN_CHARS):
            raise Unauthenticated("not a compact JWT")
        try:
            claims = decode_token(text, allow_expired=allow_expired)
        except (jwt.PyJWTError, JWTExtendedException, ValueError, TypeError, RecursionError) as error:
            raise Unauthenticated(f"token refused: {type(error).__name__}") from None
        return self._claims(claims)

    def _find_key(self, header: dict[str, Any], _claims: dict[str, Any]) -> Any:
        """Find authsvc's own key by ``kid``. Keys or key addresses inside a token are ignored."""
        if header.get("typ") != ACCESS_TOKEN_TYPE or "crit" in header or "b64" in header:
            raise jwt.InvalidTokenError("header")
        kid = header.get("kid")
        key = self._keys.public_key(kid) if isinstance(kid, str) else None
        if key is None:
            raise jwt.InvalidTokenError("kid")
        return key

    def _claims(self, claims: dict[str, Any]) -> VerifiedClaims:
        sub, sid, appid, jti = (_text(claims, name) for name in ("sub", "sid", "appid", "jti"))
        if type(claims.get("exp")) is not int or type(claims.get("iat")) is not int:
            raise Unauthenticated("token refused: times")
        # One audience per app: a token for one app must not pass as a token for another.
        if claims.get("aud") != self._audiences.get(appid) or not _USER_ID.match(sub):
            raise Unauthenticated("token refused: audience or subject")
        if not _SESSION_ID.match(sid):
            raise Unauthenticated("token refused: session")
        return VerifiedClaims(int(sub), sid, appid, jti, claims["exp"], claims["iat"], claims["aud"])


def _text(claims: dict[str, Any], name: str) -> str:
    value = claims.get(name)
    if not isinstance(value, str):
        raise Unauthenticated(f"token refused: {name}")
    return value
