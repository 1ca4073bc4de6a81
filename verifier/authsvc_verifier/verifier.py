"""The verifier: keys, the feed if there is a credential for it, and the checks of a token."""

import logging
import os
import re
import threading
import time
import weakref
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from authsvc_verifier import compact, feed, keys
from authsvc_verifier.errors import FetchFailed, TokenExpired, TokenRefused
from authsvc_verifier.feed import RevocationFeed
from authsvc_verifier.fetching import Fetcher
from authsvc_verifier.keys import KeySource

logger = logging.getLogger(__name__)

KIND = "at+jwt"
_MOST_CHARS = 8192
# The clocks of authsvc and of the verifying machine may differ by this much.
_LEEWAY_SECONDS = 5
_SESSION_ID = re.compile(r"[A-Za-z0-9_-]{1,32}\Z")
_USER_ID = re.compile(r"[1-9][0-9]{0,18}\Z")


@dataclass(frozen=True, slots=True)
class Claims:
    """The user and the session of a token; times are seconds since 1970 UTC. ``all`` has every claim."""

    user_id: str
    session_id: str
    appid: str
    jti: str
    issued_at: int
    expires_at: int
    all: Mapping[str, Any] = field(repr=False)


class Verifier:
    """Verifies tokens of one issuer. Create one per process; threads share it, also across a fork.

    ``audience`` is the expected ``aud`` (the AppID, unless authsvc's settings name another), or several. ``base_url``
    is authsvc's address if it differs from ``issuer``; https, or http on this machine. ``ca_file`` is a PEM file of
    certificate authorities that replace the public ones.

    With a ``credential`` (scope ``introspect``) the revocation feed is polled every ``poll_seconds``, by a thread or,
    with ``background=False``, by the next ``verify`` call when it is time. With a feed older than ``max_feed_age``
    seconds nobody gets in (FeedUnavailable), unless ``accept_stale_feed`` is set. Without a credential, a token is
    accepted until it expires.
    """

    def __init__(
        self,
        issuer: str,
        audience: str | Collection[str],
        *,
        credential: str | None = None,
        base_url: str | None = None,
        ca_file: str | None = None,
        poll_seconds: float = 5,
        max_feed_age: float = 900,
        accept_stale_feed: bool = False,
        background: bool = True,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Fetches nothing yet. Raises ValueError for an address that is not allowed."""
        self._issuer = issuer.rstrip("/")
        self._audiences = frozenset([audience] if isinstance(audience, str) else audience)
        self._credential = credential
        self._poll_seconds = poll_seconds
        self._background = background
        self._clock = clock
        # Two, because one may be waiting for keys while another polls.
        self._fetcher = Fetcher(base_url or issuer, ca_file)
        self._feed_fetcher = Fetcher(base_url or issuer, ca_file)
        self._keys = KeySource(self._fetch_keys, clock)
        self._feed = RevocationFeed(
            self._fetch_feed, self._read_feed, clock, max_feed_age, accept_stale=accept_stale_feed
        )
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        _verifiers.add(self)

    def verify(self, token: str) -> Claims:
        """Return the claims of a token that is authentic, unexpired, for our audience, and not revoked.

        Raises TokenRefused (TokenExpired, TokenRevoked), or CannotVerify (KeysUnavailable, FeedUnavailable).
        """
        self._keep_up()
        claims = self._checked(compact.read(token, KIND, self._keys.get, _MOST_CHARS))
        if self._credential is not None:
            self._feed.check(claims.user_id, claims.session_id, claims.issued_at)
        return claims

    def close(self) -> None:
        """End the polling thread, and close the connections."""
        self._closed.set()
        for fetcher in (self._fetcher, self._feed_fetcher):
            fetcher.close()

    def _checked(self, claims: dict[str, Any]) -> Claims:
        now = self._clock()
        texts = [claims.get(name) for name in ("sub", "sid", "appid", "jti")]
        times = [claims.get("iat"), claims.get("exp"), claims.get("nbf", 0)]
        if not all(isinstance(text, str) for text in texts) or not all(type(moment) is int for moment in times):
            raise TokenRefused("claims are missing, or of the wrong type")
        user_id, session_id, appid, jti = map(str, texts)
        issued_at, expires_at, not_before = (int(moment or 0) for moment in times)
        audience = claims.get("aud")
        if claims.get("iss") != self._issuer:
            raise TokenRefused("another issuer")
        if not isinstance(audience, str) or audience not in self._audiences:
            raise TokenRefused("another audience")
        if not _USER_ID.match(user_id) or not _SESSION_ID.match(session_id):
            raise TokenRefused("no user, or no session")
        if expires_at <= now - _LEEWAY_SECONDS:
            raise TokenExpired("run out")
        if max(issued_at, not_before) > now + _LEEWAY_SECONDS:
            raise TokenRefused("not valid yet")
        return Claims(user_id, session_id, appid, jti, issued_at, expires_at, claims)

    def _keep_up(self) -> None:
        """Make sure that keys and feed are renewed, by a thread if there should be one."""
        if not self._background:
            self._renew(self._poll_seconds)
        elif self._thread is None:
            with self._lock:
                if self._thread is None:
                    self._renew(self._poll_seconds)
                    self._thread = threading.Thread(target=self._run, name="authsvc-verify", daemon=True)
                    self._thread.start()

    def _run(self) -> None:
        closed = self._closed
        while not closed.wait(self._poll_seconds):
            try:
                self._renew(0)
            except Exception:  # only this thread renews the feed, so it must not end
                logger.exception("keys and revocation feed not renewed")

    def _renew(self, interval: float) -> None:
        self._keys.renew()
        if self._credential is not None:
            self._feed.poll(interval)

    def _fetch_keys(self) -> tuple[bytes, str]:
        _, body, headers = self._fetcher.get(keys.PATH, keys.MOST_BYTES, {"Accept": "application/json"})
        return body, headers.get("Cache-Control", "")

    def _fetch_feed(self, since: int | None, etag: str) -> tuple[str, str] | None:
        headers = {"Authorization": f"Bearer {self._credential}", "Accept": "application/jwt"}
        if etag:
            headers["If-None-Match"] = etag
        query = None if since is None else {"since": since}
        status, body, answered = self._feed_fetcher.get(feed.PATH, feed.MOST_BYTES, headers, query)
        return None if status == 304 else (body.decode("ascii", "replace"), answered.get("ETag", ""))

    def _read_feed(self, text: str) -> dict[str, Any]:
        claims = compact.read(text, feed.KIND, self._keys.get, feed.MOST_BYTES)
        if claims.get("iss") != self._issuer:
            raise FetchFailed("a feed of another issuer")
        return claims

    def _reset(self) -> None:
        """Initialise for a new process: no thread, no connections, and no locks held by a thread of the parent."""
        self._lock = threading.Lock()
        self._thread = None
        for part in (self._keys, self._feed, self._fetcher, self._feed_fetcher):
            part.reset()


_verifiers: "weakref.WeakSet[Verifier]" = weakref.WeakSet()


def _after_fork() -> None:
    for verifier in list(_verifiers):
        verifier._reset()


os.register_at_fork(after_in_child=_after_fork)
