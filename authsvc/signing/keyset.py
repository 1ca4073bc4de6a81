"""The signing keys: P-256 (ES256), named by their RFC 7638 thumbprint.

Every key is published, and exactly one signs. Others wait to sign (``published``), or have signed before (``former``)
and verify their remaining tokens. Key objects are created once, because parsing PEM for every token costs more than
signing it.
"""

import json
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast, get_args

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from authsvc.values.operator import Refused
from authsvc.values.tokens import ALGORITHM, CURVE

KeyState = Literal["published", "signing", "former"]
_PEM_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----[^-]+-----END [A-Z ]*PRIVATE KEY-----")


class BadKeys(Refused):
    """The keys cannot be used, and the service must not start. The text names the file, never its content."""


@dataclass(frozen=True, slots=True)
class Key:
    """One key, its state, and since when (seconds since 1970 UTC; 0 if unknown)."""

    state: KeyState
    since: int
    key: ECKey = field(repr=False)

    @property
    def kid(self) -> str:
        """The RFC 7638 thumbprint."""
        return self.key.thumbprint()

    @property
    def pem(self) -> str:
        """The public half as PEM (SubjectPublicKeyInfo)."""
        return self.key.as_pem(private=False).decode("ascii")

    @property
    def public_jwk(self) -> dict[str, Any]:
        """The public half, member by member, so that additional members in the file are not published."""
        jwk = self.key.as_dict(private=False)
        members = {name: jwk[name] for name in ("kty", "crv", "x", "y")}
        return {**members, "kid": self.kid, "use": "sig", "alg": ALGORITHM}


@dataclass(frozen=True, slots=True)
class KeySet:
    """Key objects ready for use: one signs, and all of them verify, by ``kid``."""

    signing_kid: str
    signing_key: EllipticCurvePrivateKey = field(repr=False)
    public_keys: dict[str, EllipticCurvePublicKey] = field(repr=False)
    jwks: dict[str, Any] = field(repr=False)
    keys: tuple[Key, ...]

    @classmethod
    def load(cls, path: Path) -> "KeySet":
        """Read the key file; raises BadKeys if it is missing, readable by others, or not valid."""
        try:
            mode = stat.S_IMODE(path.stat().st_mode)
            stored = json.loads(path.read_text(encoding="ascii"))
            keys = [
                Key(entry["state"], entry.get("since", 0), ECKey.import_key(entry["jwk"])) for entry in stored["keys"]
            ]
        except FileNotFoundError:
            raise BadKeys(f"{path} is missing (run: authsvc init)") from None
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, JoseError):
            raise BadKeys(f"{path} is not a readable key file") from None
        if mode & 0o077:
            raise BadKeys(f"{path} is readable by others (mode {mode:04o}); run: chmod 600")
        return cls.of(str(path), keys)

    @classmethod
    def from_pem(cls, pem: str) -> "KeySet":
        r"""Create a set from the private keys in ``pem`` (JWT_PRIVATE_KEY): the first signs, all are published.

        Consoles that take variables of one line only have ``\n`` in the place of line breaks.
        """
        try:
            first, *others = (ECKey.import_key(text) for text in _PEM_KEY.findall(pem.replace("\\n", "\n")))
        except (ValueError, TypeError, JoseError):
            raise BadKeys(f"JWT_PRIVATE_KEY does not contain {CURVE} private keys in PEM") from None
        return cls.of("JWT_PRIVATE_KEY", [Key("signing", 0, first), *(Key("published", 0, key) for key in others)])

    @classmethod
    def of(cls, source: str, keys: list[Key]) -> "KeySet":
        """Return the set of these keys; raises BadKeys, naming ``source``, if they are not a valid set."""
        if not all(key.state in get_args(KeyState) and type(key.since) is int for key in keys):
            raise BadKeys(
                f"{source} has a key without a time, or with a state other than {', '.join(get_args(KeyState))}"
            )
        if not all(key.key.curve_name == CURVE and key.key.is_private for key in keys):
            raise BadKeys(f"{source} contains a key that is not a {CURVE} private key")
        if len({key.kid for key in keys}) < len(keys):
            raise BadKeys(f"{source} contains a key twice")
        signing = [key for key in keys if key.state == "signing"]
        if len(signing) != 1:
            raise BadKeys(f"{source} must contain exactly one signing key")
        return cls(
            signing_kid=signing[0].kid,
            signing_key=cast(EllipticCurvePrivateKey, signing[0].key.private_key),
            public_keys={key.kid: key.key.public_key for key in keys},
            jwks={"keys": [key.public_jwk for key in keys]},
            keys=tuple(keys),
        )
