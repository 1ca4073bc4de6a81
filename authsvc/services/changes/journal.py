"""Writes down changes of people in the transaction of each change, and hands them out in order."""

from sqlalchemy import Connection

from authsvc.db.database import Database
from authsvc.db.queries import person_changes
from authsvc.errors import CursorExpired
from authsvc.values.changes import ChangeKind, PersonChange

# Audit events that are changes of a person for others too. The others are nobody else's business.
_OF_EVENT: dict[str, ChangeKind] = {
    "register": "person.registered",
    "disable": "person.disabled",
    "enable": "person.enabled",
    "close": "person.closed",
    "reopen": "person.reopened",
    "erase": "person.erased",
    "phone_bound": "phone.changed",
    "phone_unbound": "phone.changed",
    "phone_forgotten": "phone.changed",
    "link": "identity.linked",
    "unlink": "identity.unlinked",
    "roles_changed": "roles.changed",
    "refresh_reuse": "sessions.ended",
    "logout_global": "sessions.ended",
    "logout_others": "sessions.ended",
    "session_ended": "sessions.ended",
}


class ChangeJournal:
    """Keeps changes for a time; without one it writes nothing."""

    def __init__(self, kept_seconds: int) -> None:
        self.kept_seconds = kept_seconds

    def note(
        self, connection: Connection, kind: ChangeKind, user_id: int, now: int, *, into_id: int | None = None
    ) -> None:
        """Write down a change in its own transaction."""
        if self.kept_seconds:
            person_changes.insert(connection, kind, user_id, into_id, now)

    def note_event(self, connection: Connection, event: str, user_id: int | None, now: int) -> None:
        """Write down the change that this audit event is, if it is one."""
        kind = _OF_EVENT.get(event)
        if kind is not None and user_id is not None:
            self.note(connection, kind, user_id, now)


class Changes:
    """Hands changes out in the order of their positions."""

    def __init__(self, database: Database, journal: ChangeJournal) -> None:
        self._database = database
        self._journal = journal

    @property
    def are_kept(self) -> bool:
        """False if nothing is written down at all."""
        return self._journal.kept_seconds > 0

    def after(self, position: int, limit: int) -> list[PersonChange]:
        """Return up to ``limit`` changes after a position (0: from the first), oldest first; an empty list if none.

        No change is ever given a position before one that was handed out. Raises CursorExpired if changes after that
        position have been deleted.
        """

        def work(connection: Connection) -> list[PersonChange]:
            if 0 < position < person_changes.deleted_until(connection):
                raise CursorExpired(f"position {position}")
            return person_changes.after(connection, position, limit)

        if self._database.read(person_changes.has_new):
            self._database.run(person_changes.give_positions)
        return self._database.read(work)
