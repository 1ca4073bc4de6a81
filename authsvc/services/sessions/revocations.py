"""The revocation feed: a signed list of invalid tokens that have not expired, for services that verify offline.

It names sessions by the first 11 of their 22 characters: 66 random bits are enough to find a session, and without the
other half they are not a session id. It names users by their id, with the second up to which their tokens are invalid.
An entry stays as long as one of its tokens can be unexpired.

A caller continues from the ``cursor`` of the last answer. Transactions do not commit in the order of their times, so an
answer begins ``OVERLAP_SECONDS`` before the cursor, which is longer than any transaction runs and than the clocks of
several machines may differ.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

from authsvc.clock import SystemClock, give_way
from authsvc.db.database import Database
from authsvc.db.pages import BEGINNING, Place
from authsvc.db.queries import not_before_marks
from authsvc.db.queries.not_before_marks import EndedSessions
from authsvc.signing.tokens import TokenIssuer
from authsvc.values.tokens import FEED_TYPE

OVERLAP_SECONDS = 60
SESSION_PREFIX = 11
# The answer "nothing new" is not signed, so a reader gets a signed one at least this often.
_RESIGN_SECONDS = 60
# About ten milliseconds of work.
_AT_ONCE = 2000


@dataclass(frozen=True, slots=True)
class Revocations:
    """The entries since a cursor, or (``since`` is None) all entries.

    ``sessions`` has prefixes of ids, each of SESSION_PREFIX characters, concatenated; ``users`` has seconds by user id.
    """

    since: int | None
    cursor: int
    sessions: str
    users: dict[int, int]

    @property
    def tag(self) -> str:
        """A tag that is the same for the same content within a minute."""
        content = [self.since, self.cursor // _RESIGN_SECONDS, self.sessions, self.users]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:32]


class RevocationFeed:
    """Reads the feed and signs it."""

    def __init__(
        self, database: Database, issuer: TokenIssuer, lifetimes: Mapping[str, int], clock: SystemClock
    ) -> None:
        """``lifetimes`` of tokens in seconds, by contract."""
        self._database = database
        self._issuer = issuer
        self._ended = EndedSessions(lifetimes)
        self._longest = max(lifetimes.values())
        self._clock = clock

    def read(self, since: int | None) -> Revocations:
        """Return the entries since that cursor; all of them without one, or if it is not in the past."""
        now = self._clock.seconds()
        if since is not None and since > now + OVERLAP_SECONDS:
            since = None
        # Entries older than the longest token lifetime are not needed; the overlap compensates for differing clocks.
        began = max(since or 0, now - self._longest) - OVERLAP_SECONDS

        sessions: list[str] = []
        place: Place | None = BEGINNING
        while place is not None:
            ids, place = self._database.read(
                self._ended.find, start=began, now=now - OVERLAP_SECONDS, place=place, at_most=_AT_ONCE
            )
            sessions += [session_id[:SESSION_PREFIX] for session_id in ids]
            if place is not None:
                give_way()
        users = self._database.read(not_before_marks.marked_since, began)
        return Revocations(since, now, "".join(sessions), users)

    def sign(self, found: Revocations) -> str:
        """Return the feed as a JWT, signed with the current key."""
        claims = {"since": found.since, "cursor": found.cursor, "sessions": found.sessions, "users": found.users}
        return self._issuer.sign({"iat": found.cursor, **claims}, FEED_TYPE)
