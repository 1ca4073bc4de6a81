"""The form of tokens, for code that signs, reads and describes them. docs/verifying.md documents it for others."""

ALGORITHM = "ES256"
CURVE = "P-256"
ACCESS_TOKEN_TYPE = "at+jwt"  # noqa: S105 (RFC 9068 §2.1, no secret)
# The type of the revocation feed, so that it and an access token cannot be confused.
FEED_TYPE = "revocations+jwt"
# The form of session ids, as services/sessions/newsessions.py makes them: nothing else may reach a query.
SESSION_ID = "[A-Za-z0-9_-]{1,32}"
