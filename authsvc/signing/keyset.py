"""The signing keys: P-256 (ES256), named by their RFC 7638 thumbprint, kept in one file of mode 0600.

The file is ``{"keys": [{"state": "signing" | "published", "jwk": {…private members…}}]}``. Exactly one key signs;
every key in it is published. Key objects are made once: parsing PEM for every token costs more than signing it.
"""

import json
import os
import stat
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

ALGORITHM = "ES256"
# Under the instance folder.
KEY_FILE = "keys/signing.json"
_CURVE = "P-256"
_STATES = ("signing", "published")


class BadKeys(Exception):
    """The keys cannot be used: the service must not start. The text names the file, never its content."""


@dataclass(frozen=True, slots=True)
class KeySet:
    """Key objects ready for use: one that signs, and all that verify, by ``kid``."""

    signing_kid: str
    signing_key: EllipticCurvePrivateKey = field(repr=False)
    public_keys: dict[str, EllipticCurvePublicKey] = field(repr=False)
    jwks: dict[str, Any] = field(repr=False)

    @classmethod
    def load(cls, path: Path) -> "KeySet":
        """Read the key file; raises BadKeys when it is missing, readable by others, or not what it should be."""
        try:
            mode = stat.S_IMODE(path.stat().st_mode)
            stored = json.loads(path.read_text(encoding="ascii"))
            entries = [(entry["state"], ECKey.import_key(entry["jwk"])) for entry in stored["keys"]]
        except FileNotFoundError:
            raise BadKeys(f"{path} is missing (run: flask authsvc init)") from None
        except (OSError, ValueError, KeyError, TypeError, RecursionError, JoseError):
            raise BadKeys(f"{path} is not a readable key file") from None
        if not all(state in _STATES for state, _ in entries):
            raise BadKeys(f"{path} gives a key a state other than {' or '.join(_STATES)}")
        if mode & 0o077:
            raise BadKeys(f"{path} is readable by others (mode {mode:04o}); run: chmod 600")
        return cls._of(str(path), entries)

    @classmethod
    def from_pem(cls, pem: str) -> "KeySet":
        """Make a set of the one private key in ``pem`` (setting JWT_PRIVATE_KEY)."""
        try:
            return cls._of("JWT_PRIVATE_KEY", [("signing", ECKey.import_key(pem))])
        except (ValueError, TypeError, JoseError):
            raise BadKeys("JWT_PRIVATE_KEY is not the PEM of a P-256 private key") from None

    @classmethod
    def _of(cls, source: str, entries: list[tuple[str, ECKey]]) -> "KeySet":
        for _, key in entries:
            if key.curve_name != _CURVE or not key.is_private:
                raise BadKeys(f"{source} holds a key that is not a P-256 private key")
        if len({key.thumbprint() for _, key in entries}) < len(entries):
            raise BadKeys(f"{source} holds a key twice")
        signing = [key for state, key in entries if state == "signing"]
        if len(signing) != 1:
            raise BadKeys(f"{source} must hold exactly one signing key")
        return cls(
            signing_kid=signing[0].thumbprint(),
            signing_key=cast(EllipticCurvePrivateKey, signing[0].private_key),
            public_keys={key.thumbprint(): key.public_key for _, key in entries},
            jwks={"keys": [_public_jwk(key) for _, key in entries]},
        )


def load_keys(instance_path: Path, pem: str | None) -> KeySet:
    """Return the keys of the setting JWT_PRIVATE_KEY if it is given, else of the key file. Raises BadKeys."""
    return KeySet.load(instance_path / KEY_FILE) if pem is None else KeySet.from_pem(pem)


def create_key_file(path: Path) -> bool:
    """Write a file with one new signing key, mode 0600 from its first byte; False when there is a file already."""
    key = ECKey.generate_key(_CURVE, private=True)
    key.ensure_kid()
    stored = {"keys": [{"state": "signing", "jwk": key.as_dict(private=True)}]}
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor, draft = tempfile.mkstemp(dir=path.parent)  # mkstemp makes mode 0600
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            json.dump(stored, file)
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)  # unlike a rename, a link never replaces keys that somebody else just made
    except FileExistsError:
        return False
    finally:
        Path(draft).unlink()
    return True


def _public_jwk(key: ECKey) -> dict[str, Any]:
    """Member by member: whatever else somebody wrote beside a key in the file stays there."""
    jwk = key.as_dict(private=False)
    members = {name: jwk[name] for name in ("kty", "crv", "x", "y")}
    return {**members, "kid": key.thumbprint(), "use": "sig", "alg": ALGORITHM}
