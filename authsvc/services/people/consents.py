"""Which version of the privacy terms somebody has agreed to, and when."""

from sqlalchemy import Connection

from authsvc.clock import SystemClock
from authsvc.db.database import Database
from authsvc.db.queries import consents, users
from authsvc.errors import LimitReached
from authsvc.services.accounts.accounts import refuse_inactive
from authsvc.values.people import Consent
from authsvc.values.sessions import Caller


class Consents:
    """Keeps what clients say that their users have agreed to."""

    def __init__(self, database: Database, clock: SystemClock) -> None:
        self._database = database
        self._clock = clock

    def give(self, caller: Caller, version: str) -> list[Consent]:
        """Note that the caller agrees to this version; return all, the oldest first. The first time counts.

        Raises LimitReached, or AccountDisabled for somebody who has left, or was locked out or erased, in this moment.
        """
        now, user_id = self._clock.seconds(), caller.user.id

        def work(connection: Connection) -> list[Consent]:
            refuse_inactive(users.lock(connection, user_id))
            if not consents.give(connection, user_id, version, now):
                raise LimitReached(f"user {user_id} has agreed to {consents.MOST} versions")
            return consents.of_user(connection, user_id)

        return self._database.run(work)

    def of(self, caller: Caller) -> list[Consent]:
        """Return what the caller has agreed to, the oldest first."""
        return self._database.read(consents.of_user, caller.user.id)
