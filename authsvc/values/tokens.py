"""What our tokens look like, for those who sign, read and describe them. docs/verifying.md promises it to others."""

ALGORITHM = "ES256"
CURVE = "P-256"
ACCESS_TOKEN_TYPE = "at+jwt"  # noqa: S105 (RFC 9068 §2.1, no secret)
# Of the revocation feed: no access token, and no access token is one.
FEED_TYPE = "revocations+jwt"
# Of a session, as services/sessions/newsessions.py makes them: nothing else may reach a query.
SESSION_ID = "[A-Za-z0-9_-]{1,32}"
