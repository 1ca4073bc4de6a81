"""A stand-in for authsvc that publishes what a test wants published: keys and feeds, and everything but."""

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cryptography.hazmat.primitives.asymmetric import ec
from joserfc.jwk import ECKey

from authsvc_verifier import Verifier
from authsvc_verifier.feed import PATH as FEED
from authsvc_verifier.keys import PATH as KEYS
from tests.harness.forging import by_ec, compact
from tests.harness.inprocess import Clock

ISSUER = "https://login.example.test"
AUDIENCE = "wx4f4bc4dec97d474b"
SESSION = "A" * 22

# (status, headers, body)
Answer = tuple[int, dict[str, str], bytes]


class Publisher:
    """Answers on loopback; ``answers`` may be replaced by path, ``hits`` says who asked for what."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.feed: dict[str, Any] = {}
        self.hits: list[str] = []
        self.answers: dict[str, Callable[[int | None], Answer]] = {KEYS: self.key_set, FEED: self.signed_feed}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def verifier(self, **options: Any) -> Verifier:
        """A verifier of what is published here, on the clock of the test, polled by whoever asks it."""
        return Verifier(
            ISSUER, AUDIENCE, **{"base_url": self.url, "background": False, "clock": self.clock.now, **options}
        )

    @property
    def jwk(self) -> dict[str, Any]:
        public = ECKey.import_key(self.key.public_key())
        return {**public.as_dict(), "kid": public.thumbprint(), "alg": "ES256", "use": "sig"}

    def sign(self, kind: str, claims: dict[str, Any], **header: Any) -> str:
        return compact({"alg": "ES256", "typ": kind, "kid": self.jwk["kid"], **header}, claims, by_ec(self.key))

    def token(self, **claims: Any) -> str:
        """A token of this moment; ``header`` members may be given as a dict of that name."""
        now = int(self.clock.now())
        header = claims.pop("header", {})
        standard = {"iss": ISSUER, "aud": AUDIENCE, "sub": "7", "sid": SESSION, "appid": AUDIENCE, "jti": "j"}
        return self.sign("at+jwt", {**standard, "iat": now, "exp": now + 30 * 86400, **claims}, **header)

    def key_set(self, _since: int | None = None) -> Answer:
        return 200, {}, json.dumps({"keys": [self.jwk]}).encode()

    def signed_feed(self, since: int | None = None) -> Answer:
        """An honest feed of this moment, but for what ``feed`` says."""
        now = int(self.clock.now())
        claims = {"iss": ISSUER, "iat": now, "cursor": now, "since": since, "sessions": "", "users": {}, **self.feed}
        return 200, {}, self.sign("revocations+jwt", claims).encode()

    def asked(self, path: str) -> int:
        return sum(urlsplit(hit).path == path for hit in self.hits)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        publisher = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                publisher.hits.append(self.path)
                since = parse_qs(parts.query).get("since")
                status, headers, body = publisher.answers[parts.path](int(since[0]) if since else None)
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        return Handler
