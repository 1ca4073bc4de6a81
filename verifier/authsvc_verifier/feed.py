"""The revocation feed, kept in memory and renewed by polling.

The last valid feed is kept. A feed that was altered, is for another cursor, or is older than the current one is refused
as a whole. The age of the current one then decides whether tokens can still be verified.
"""

import logging
import threading
from collections.abc import Callable
from typing import Any

from authsvc_verifier.errors import FeedUnavailable, FetchFailed, TokenRefused, TokenRevoked

logger = logging.getLogger(__name__)

PATH = "/oauth/revocations"
KIND = "revocations+jwt"
MOST_BYTES = 64 * 1024 * 1024
SESSION_PREFIX = 11
# How often the whole feed is fetched, which drops expired entries.
_WHOLE_SECONDS = 6 * 3600
# An unchanged answer costs neither side anything, but only for the same cursor, so use the same one for a while.
_CURSOR_SECONDS = 300
# The clocks of authsvc's machines may differ by this much.
_CLOCKS_SECONDS = 60

# (since, ETag) → text of the feed and its ETag, or None if it is unchanged; raises FetchFailed.
Fetch = Callable[[int | None, str], tuple[str, str] | None]
# Text of the feed → its claims, after its signature was verified.
Read = Callable[[str], dict[str, Any]]


class RevocationFeed:
    """Ended sessions, and users whose tokens were revoked. Threads may share it."""

    def __init__(
        self, fetch: Fetch, read: Read, clock: Callable[[], float], max_age: float, *, accept_stale: bool
    ) -> None:
        """``max_age`` in seconds; ``accept_stale`` accepts tokens even if the feed is older."""
        self._fetch = fetch
        self._read = read
        self._clock = clock
        self._max_age = max_age
        self._accept_stale = accept_stale
        self._sessions: set[str] = set()
        self._users: dict[str, int] = {}
        self._cursor: int | None = None
        self._etag = ""
        self._signed_at = self._whole_at = self._tried_at = float("-inf")
        self.reset()

    def reset(self) -> None:
        """Create new locks, because after a fork a thread that no longer exists may hold the old ones."""
        self._lock = threading.Lock()

    def check(self, user_id: str, session_id: str, issued_at: int) -> None:
        """Raise TokenRevoked for a revoked token, and FeedUnavailable if that cannot be known."""
        if session_id[:SESSION_PREFIX] in self._sessions or issued_at <= self._users.get(user_id, -1):
            raise TokenRevoked("logged out")
        if not self._accept_stale and self._clock() - self._signed_at > self._max_age:
            raise FeedUnavailable("there is no revocation feed, or it is too old")

    def poll(self, interval: float) -> None:
        """Fetch news if nobody did for ``interval`` seconds. The first time, all callers wait for it."""
        if 0 <= self._clock() - self._tried_at < interval:
            return
        if self._lock.acquire(blocking=self._cursor is None):
            try:
                if not 0 <= self._clock() - self._tried_at < interval:
                    self._poll()
            finally:
                self._lock.release()

    def _poll(self) -> None:
        now = self._tried_at = self._clock()
        whole = not 0 <= now - self._whole_at < _WHOLE_SECONDS
        since = None if whole else self._cursor
        try:
            answer = self._fetch(since, "" if whole else self._etag)
            if answer is not None:
                text, etag = answer
                self._take(self._read(text), since, etag)
        except (FetchFailed, TokenRefused) as failure:
            logger.warning("revocation feed not renewed: %s", failure)

    def _take(self, claims: dict[str, Any], asked: int | None, etag: str) -> None:
        since, cursor, sessions, users = (claims.get(name) for name in ("since", "cursor", "sessions", "users"))
        signed_at = claims.get("iat")
        if type(signed_at) is not int or type(cursor) is not int or since not in (None, asked):
            raise FetchFailed("a feed for another cursor")
        if not isinstance(sessions, str) or len(sessions) % SESSION_PREFIX or not isinstance(users, dict):
            raise FetchFailed("not a feed")
        if not all(type(moment) is int for moment in users.values()):
            raise FetchFailed("not a feed")
        if abs(self._clock() - signed_at) > self._max_age or signed_at < self._signed_at - _CLOCKS_SECONDS:
            raise FetchFailed("a feed of another time")
        prefixes = {sessions[at : at + SESSION_PREFIX] for at in range(0, len(sessions), SESSION_PREFIX)}
        if since is None:
            self._sessions, self._users = prefixes, users
            self._whole_at = self._clock()
        else:
            self._sessions |= prefixes
            self._users |= users
        self._signed_at = signed_at
        if since is None or self._cursor is None or cursor - self._cursor >= _CURSOR_SECONDS:
            self._cursor, self._etag = cursor, ""
        else:
            self._etag = etag
