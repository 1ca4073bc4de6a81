"""What a verifier says of a token, or of itself. No text of these holds anything out of a token."""


class TokenRefused(Exception):
    """The token is not authsvc's, not as authsvc made it, or not for this audience: answer 401."""


class TokenExpired(TokenRefused):
    """It was good, and has run out."""


class TokenRevoked(TokenRefused):
    """It would be good, but its session was ended, or all that its user held is worthless."""


class CannotVerify(Exception):
    """Nothing is known of the token, because authsvc could not be asked: answer 503, and let nobody in."""


class KeysUnavailable(CannotVerify):
    """There is no key set, or none that was fetched within a day."""


class FeedUnavailable(CannotVerify):
    """There is no revocation feed, or none that is new enough."""


class FetchFailed(Exception):
    """An address gave nothing usable. Does not leave ``authsvc_verifier``."""
