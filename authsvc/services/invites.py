"""Invite codes of people: the one that they hand out."""

import logging

from sqlalchemy import Connection

from authsvc.clock import SystemClock
from authsvc.db import invites
from authsvc.db.database import Database, Restart
from authsvc.services import invitecodes
from authsvc.types import InviteCode, InvitePolicy

logger = logging.getLogger(__name__)

_DAY = 86400


class InviteService:
    """Gives people their code."""

    def __init__(self, database: Database, policy: InvitePolicy, clock: SystemClock) -> None:
        self._database = database
        self._policy = policy
        self._clock = clock

    def own_code(self, user_id: int) -> InviteCode:
        """Return the code that this user hands out: always the same one, until it expires.

        It is made, or claimed from the pool, when it is asked for first. One that is used up or disabled stays theirs.
        """
        now = self._now()
        found = self._database.read(lambda connection: invites.find_own(connection, user_id, now))
        return found or self._database.run(lambda connection: self._give(connection, user_id, now))

    def _give(self, connection: Connection, user_id: int, now: int) -> InviteCode:
        invites.retire_own(connection, user_id, now)
        if not (self._policy.source == "pool" and self._claim(connection, user_id, now)):
            self._make(connection, user_id, now)
        found = invites.find_own(connection, user_id, now)
        if found is None:  # the code that was drawn is somebody's
            raise Restart
        return found

    def _claim(self, connection: Connection, user_id: int, now: int) -> bool:
        if invites.claim_from_pool(connection, user_id, now):
            return True
        if invites.find_own(connection, user_id, now) is None:
            logger.warning("no invite code without an owner is left: making one")
        return False

    def _make(self, connection: Connection, user_id: int, now: int) -> None:
        """Make a code, unless the same user has been given one at this moment."""
        policy = self._policy
        invites.insert_own(
            connection,
            invitecodes.draw(policy.prefix, policy.length),
            user_id,
            max_uses=policy.max_uses or None,
            expires_at=now + policy.days * _DAY if policy.days else None,
            now=now,
        )

    def _now(self) -> int:
        return int(self._clock.now())
