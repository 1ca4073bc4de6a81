"""The errors of a verifier. Their texts contain nothing from a token."""


class TokenRefused(Exception):
    """The token is not from authsvc, was altered, or is not for this audience: answer 401."""


class TokenExpired(TokenRefused):
    """The token was valid, but has expired."""


class TokenRevoked(TokenRefused):
    """The token would be valid, but its session was ended, or all tokens of its user were revoked."""


class CannotVerify(Exception):
    """The token cannot be verified, because authsvc could not be reached: answer 503, and let nobody in."""


class KeysUnavailable(CannotVerify):
    """There is no key set that was fetched within a day."""


class FeedUnavailable(CannotVerify):
    """There is no recent enough revocation feed."""


class FetchFailed(Exception):
    """A fetch returned nothing usable. This error does not leave ``authsvc_verifier``."""
