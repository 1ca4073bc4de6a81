"""Another service, as a program: reads tokens from its input, verifies each from the published keys alone.

It keeps the key set as long as it was told, and asks for an unknown key no sooner. One line per token: the ``kid``, or
the name of the error.
"""

import subprocess
import sys

import jwt

from tests.harness.places import ROOT


class Verifier:
    """The program, and what it said so far."""

    def __init__(self, jwks_uri: str, issuer: str, audience: str, keeps: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__, jwks_uri, issuer, audience, str(keeps)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            bufsize=1,
        )

    def verdict(self, token: str) -> str:
        """Have one token verified."""
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(f"{token}\n")
        return self._process.stdout.readline().strip()

    def stop(self) -> None:
        self._process.communicate(timeout=10)


def main(jwks_uri: str, issuer: str, audience: str, keeps: str) -> None:
    keys = jwt.PyJWKClient(jwks_uri, lifespan=int(keeps))
    for line in sys.stdin:
        token = line.strip()
        try:
            key = keys.get_signing_key_from_jwt(token)
            jwt.decode(token, key, ["ES256"], audience=audience, issuer=issuer)
            print(jwt.get_unverified_header(token)["kid"], flush=True)
        except jwt.PyJWTError as error:
            print(type(error).__name__, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
