"""Invites for people: their own code, who came with it, and whether a code is valid."""

import logging
from typing import Literal

from sqlalchemy import Connection

from authsvc.clock import DAY, SystemClock
from authsvc.db.database import Database, Restart
from authsvc.db.queries import invite_codes, users
from authsvc.errors import ServiceBusy
from authsvc.services.invites import spelling
from authsvc.values.invites import Arrivals, InviteCode, InviteFault, InvitePolicy

logger = logging.getLogger(__name__)

_PAGE = 50
# The list goes back only this far, so that a page costs the same even if many people came.
_REACH = 1000
_LOOKS = 10


class Invites:
    """Gives people their own code, and reports its use."""

    def __init__(self, database: Database, policy: InvitePolicy, clock: SystemClock) -> None:
        self._database = database
        self._policy = policy
        self._clock = clock

    def own_code(self, user_id: int) -> InviteCode:
        """Return this user's own code: always the same one, until it expires.

        It is created, or taken from the pool, on the first request. A code that is used up or disabled is not replaced.
        Raises AccountDisabled for a person who was erased at the same moment.
        """
        now = self._clock.seconds()
        found = self._database.read(invite_codes.find_own, user_id, now)
        return found or self._database.run(self._give, user_id, now)

    def invited_at(self, user_id: int) -> int | None:
        """Return when the user came with somebody's code (seconds UTC), if ever."""
        return self._database.read(invite_codes.invited_at, user_id)

    def arrivals(self, user_id: int, before: int | None = None) -> Arrivals:
        """Return arrivals with the user's codes: the latest fifty, or those before a number, of the last thousand."""

        def work(connection: Connection) -> Arrivals | None:
            count = invite_codes.count_arrivals(connection, user_id)
            end = count if before is None else min(before - 1, count)
            first = max(count - _REACH, 0)
            start = max(end - _PAGE, first)
            if end <= start:
                return Arrivals(count, ())
            times = invite_codes.latest_arrivals(connection, user_id, count - start)[count - end :]
            # Numbered in the order of arrival: an arrival between these statements must change no number.
            if invite_codes.count_arrivals(connection, user_id) != count:
                return None
            return Arrivals(count, tuple(zip(range(end, start, -1), times, strict=False)), has_more=start > first)

        for _ in range(_LOOKS):
            if (found := self._database.read(work)) is not None:
                return found
        raise ServiceBusy("people come with these codes faster than they can be listed")

    def check(self, code: str) -> InviteFault | Literal["valid", "unknown"]:
        """Tell whether a code is valid at the moment, but not whose it is."""
        found = None
        if spelling.PATTERN.match(code):
            found = self._database.read(invite_codes.find, code)
        return "unknown" if found is None else self.state(found)

    def state(self, code: InviteCode) -> InviteFault | Literal["valid"]:
        """Tell whether somebody could come with this code at the moment."""
        return code.fault(self._clock.seconds()) or "valid"

    def _give(self, connection: Connection, user_id: int, now: int) -> InviteCode:
        users.lock(connection, user_id)
        invite_codes.retire_own(connection, user_id, now)
        if not (self._policy.source == "pool" and self._claim(connection, user_id, now)):
            self._make(connection, user_id, now)
        found = invite_codes.find_own(connection, user_id, now)
        if found is None:  # the random code already exists
            raise Restart
        return found

    def _claim(self, connection: Connection, user_id: int, now: int) -> bool:
        if invite_codes.claim_from_pool(connection, user_id, now):
            return True
        if invite_codes.find_own(connection, user_id, now) is None:
            logger.warning("no invite code without an owner is left; creating one")
        return False

    def _make(self, connection: Connection, user_id: int, now: int) -> None:
        """Create a code, unless the same user has just got one."""
        policy = self._policy
        invite_codes.insert_own(
            connection,
            spelling.draw(policy.prefix, policy.length),
            user_id,
            max_uses=policy.max_uses or None,
            expires_at=now + policy.days * DAY if policy.days else None,
            now=now,
        )
