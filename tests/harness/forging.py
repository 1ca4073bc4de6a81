"""Making JWTs that no library would make: any header, any payload, any signature."""

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc.jwk import ECKey

Signer = Callable[[bytes], bytes]
_HASHES = {"256": SHA256, "384": SHA384, "512": SHA512}


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def json_bytes(value: Any) -> bytes:
    """JSON as written, or ``value`` itself when it is bytes already."""
    return value if isinstance(value, bytes) else json.dumps(value, separators=(",", ":")).encode()


def compact(header: Any, payload: Any, sign: Signer) -> str:
    signed = f"{b64(json_bytes(header))}.{b64(json_bytes(payload))}"
    return f"{signed}.{b64(sign(signed.encode()))}"


def by_ec(key: ec.EllipticCurvePrivateKey, bits: str = "256") -> Signer:
    size = (key.key_size + 7) // 8

    def sign(message: bytes) -> bytes:
        r, s = decode_dss_signature(key.sign(message, ec.ECDSA(_HASHES[bits]())))
        return r.to_bytes(size, "big") + s.to_bytes(size, "big")

    return sign


def by_hmac(secret: bytes, bits: str = "256") -> Signer:
    return lambda message: hmac.new(secret, message, f"sha{bits}").digest()


def by_rsa(key: rsa.RSAPrivateKey) -> Signer:
    return lambda message: key.sign(message, padding.PKCS1v15(), SHA256())


def by_pss(key: rsa.RSAPrivateKey) -> Signer:
    return lambda message: key.sign(message, padding.PSS(padding.MGF1(SHA256()), 32), SHA256())


def by_ed25519(key: ed25519.Ed25519PrivateKey) -> Signer:
    return key.sign


def unsigned(_: bytes) -> bytes:
    return b""


class Listener:
    """A web server that counts who asks it for keys, and would hand out the forger's."""

    def __init__(self, jwks: dict[str, Any]) -> None:
        hits: list[str] = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                hits.append(self.path)
                body = json.dumps(jwks).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self.hits = hits
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@dataclass(frozen=True)
class Forger:
    """Everything a forger could dream of: a live token, another one, the service's own private key, and own keys.

    With the service's key, a token is wrong in one thing only, and nothing but the check of that thing refuses it.
    """

    token: str
    other_token: str
    now: int
    key_file: Path
    listener: Listener = field(repr=False)

    @property
    def header(self) -> dict[str, Any]:
        return json.loads(unb64(self.token.split(".")[0]))

    @property
    def claims(self) -> dict[str, Any]:
        return json.loads(unb64(self.token.split(".")[1]))

    @property
    def signature(self) -> bytes:
        return unb64(self.token.split(".")[2])

    @cached_property
    def service_key(self) -> ec.EllipticCurvePrivateKey:
        return ECKey.import_key(json.loads(self.key_file.read_text())["keys"][0]["jwk"]).private_key

    @property
    def public_jwk(self) -> dict[str, Any]:
        return json.loads(json.dumps(ECKey.import_key(self.service_key.public_key()).as_dict()))

    def public_bytes(self, encoding: Encoding) -> bytes:
        return self.service_key.public_key().public_bytes(encoding, PublicFormat.SubjectPublicKeyInfo)

    def with_header(self, sign: Signer | None = None, /, **changes: Any) -> str:
        """The live token under another header, signed by the service if nobody else; ``...`` removes a member."""
        return compact(_changed(self.header, changes), self.claims, sign or by_ec(self.service_key))

    def with_claims(self, **changes: Any) -> str:
        """The live token with other claims, rightly signed; ``...`` removes one."""
        return compact(self.header, _changed(self.claims, changes), by_ec(self.service_key))

    def with_payload(self, payload: Any) -> str:
        """A payload of any kind, rightly signed."""
        return compact(self.header, payload, by_ec(self.service_key))

    def with_raw_claim(self, name: str, literal: str) -> str:
        """A claim that json.dumps would not write (NaN, 1e400), rightly signed."""
        text = json.dumps(_changed(self.claims, {name: "@here@"})).replace('"@here@"', literal)
        return self.with_payload(text.encode())

    def with_signature(self, signature: bytes) -> str:
        return f"{self.token.rpartition('.')[0]}.{b64(signature)}"


def _changed(members: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    merged = {**members, **changes}
    return {name: value for name, value in merged.items() if value is not ...}


def flipped(raw: bytes, place: int) -> bytes:
    """``raw`` with one bit of one byte changed."""
    return raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :]


def thumbprint(jwk: dict[str, Any]) -> str:
    """RFC 7638, computed here rather than asked of the library under test."""
    needed = {name: jwk[name] for name in ("crv", "kty", "x", "y")}
    canonical = json.dumps(needed, separators=(",", ":"), sort_keys=True)
    return b64(hashlib.sha256(canonical.encode()).digest())
