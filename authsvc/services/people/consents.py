"""The versions of the privacy terms that people have agreed to, and when."""

from sqlalchemy import Connection

from authsvc.clock import SystemClock
from authsvc.db.database import Database
from authsvc.db.queries import consents, users
from authsvc.errors import LimitReached
from authsvc.services.accounts.accounts import refuse_inactive
from authsvc.values.people import Consent
from authsvc.values.sessions import Caller


class Consents:
    """Stores consents, as reported by clients."""

    def __init__(self, database: Database, clock: SystemClock) -> None:
        self._database = database
        self._clock = clock

    def give(self, caller: Caller, version: str) -> list[Consent]:
        """Record that the caller agrees to this version; return all consents, oldest first. The first time counts.

        Raises LimitReached, or AccountDisabled for a person who has left, or was disabled or erased, at the same
        moment.
        """
        now, user_id = self._clock.seconds(), caller.user.id

        def work(connection: Connection) -> list[Consent]:
            refuse_inactive(users.lock(connection, user_id))
            if not consents.give(connection, user_id, version, now):
                raise LimitReached(f"user {user_id} has agreed to {consents.MOST} versions")
            return consents.of_user(connection, user_id)

        return self._database.run(work)

    def of(self, caller: Caller) -> list[Consent]:
        """Return the caller's consents, oldest first."""
        return self._database.read(consents.of_user, caller.user.id)
