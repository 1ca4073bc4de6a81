"""Everything that is stored about a person, for the person."""

from collections.abc import Callable

from sqlalchemy import Connection

from authsvc.clock import SystemClock
from authsvc.db import auditevents, identities, personaldata, users
from authsvc.db.database import Database
from authsvc.errors import NotFound
from authsvc.services.audit import AuditLog
from authsvc.services.reach import reach
from authsvc.types import Caller

Export = dict[str, list[dict[str, object]]]


class Exports:
    """Reads what is stored, table by table."""

    def __init__(self, database: Database, audit: AuditLog, clock: SystemClock) -> None:
        self._database = database
        self._audit = audit
        self._clock = clock

    def own(self, user_id: int) -> Export:
        """Return the rows about a user, and about those merged into them, by table: column to value, times seconds UTC.

        Nothing is in it with which somebody could sign in, open or forge anything. Raises NotFound.
        """
        return self._database.read(lambda connection: _read(connection, user_id))

    def for_person(self, caller: Caller) -> Export:
        """Return the same about the caller, but for what belongs to other mini programs: those export it themselves."""

        def read(connection: Connection) -> Export:
            found, reached = _read(connection, caller.user.id), reach(connection, caller)
            everywhere = identities.all_of_user(connection, caller.user.id)
            managed = {identity.id for identity in everywhere if reached.covers(identity)}
            shown: dict[str, Callable[[dict[str, object]], bool]] = {
                "identities": lambda row: row["id"] in managed,
                "sessions": lambda row: row["appid"] == reached.appid,
                "audit_events": lambda row: auditevents.shows_in(str(row["event"]), str(row["detail"]), reached.appid),
            }
            return {table: list(filter(shown.get(table), rows)) for table, rows in found.items()}

        return self._database.read(read)

    def for_operator(self, user_id: int) -> Export:
        """Return the same for somebody who asks on the person's behalf, which is put on record."""
        now = int(self._clock.now())

        def work(connection: Connection) -> Export:
            found = _read(connection, user_id)
            self._audit.record(connection, "export", user_id, now, "by the operator")
            return found

        return self._database.run(work)


def _read(connection: Connection, user_id: int) -> Export:
    people = [personaldata.read(connection, same_id) for same_id, _ in users.same_person(connection, user_id)]
    if not people:
        raise NotFound(f"user {user_id}")
    return {table: [row for person in people for row in person[table]] for table in people[0]}
