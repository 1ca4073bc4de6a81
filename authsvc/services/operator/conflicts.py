"""Pairs of users who are one person according to WeChat, and could not be merged."""

from authsvc.db.database import Database
from authsvc.db.queries import identities
from authsvc.values.operator import UserConflict


class Conflicts:
    """The conflicts that an operator has to decide."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def list_all(self) -> list[UserConflict]:
        """Return up to a thousand pairs, oldest first."""
        return self._database.read(identities.conflicts)
