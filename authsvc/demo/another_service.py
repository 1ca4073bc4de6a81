"""An example of another service that verifies tokens: it knows the issuer, the audience and the address of the keys.

usage: another_service.py ISSUER AUDIENCE JWKS_URL, one token per line on standard input. Prints, per token,
{"claims": …} or {"refused": why}. It shares no secret with authsvc, and does not ask authsvc about tokens.
"""

import json
import sys
from typing import Any

import jwt


def verify(token: str, keys: jwt.PyJWKClient, issuer: str, audience: str) -> dict[str, Any]:
    """Return the claims of a valid token; raises jwt.PyJWTError for any other."""
    key = keys.get_signing_key_from_jwt(token)
    wanted: Any = {"require": ["exp", "iat", "sub", "sid"]}
    # The two machines' clocks may differ by five seconds.
    complete = jwt.decode_complete(token, key, ["ES256"], audience=audience, issuer=issuer, options=wanted, leeway=5)
    if complete["header"].get("typ") != "at+jwt":
        raise jwt.InvalidTokenError("not an access token")
    claims: dict[str, Any] = complete["payload"]
    return claims


def main() -> None:
    """Verify what comes in, until it ends."""
    issuer, audience, jwks_url = sys.argv[1:]
    keys = jwt.PyJWKClient(jwks_url)  # fetched at the first token, then kept for five minutes
    for line in sys.stdin:
        try:
            verdict: dict[str, Any] = {"claims": verify(line.strip(), keys, issuer, audience)}
        except jwt.PyJWTError as error:
            verdict = {"refused": type(error).__name__}
        sys.stdout.write(f"{json.dumps(verdict)}\n")


if __name__ == "__main__":
    main()
