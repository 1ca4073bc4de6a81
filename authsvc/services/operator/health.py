"""Whether this instance can do its work."""

from collections.abc import Mapping
from dataclasses import dataclass

from authsvc.db.database import Database


@dataclass(frozen=True, slots=True)
class Readiness:
    """Each condition of readiness by name, and a word of a closed list for those that say more than "no"."""

    checks: Mapping[str, bool]
    reasons: Mapping[str, str]


class Health:
    """Answers readiness."""

    def __init__(self, database: Database, signing_kid: str) -> None:
        self._database = database
        self._signing_kid = signing_kid

    def readiness(self) -> Readiness:
        """Return the conditions: a database that can be written to, migrations at head, a signing key."""
        condition = self._database.condition()
        checks = {
            "database": condition.word is None,
            "migrations": condition.word is None and condition.is_migrated,
            "keys": bool(self._signing_kid),
        }
        return Readiness(checks, {"database": condition.word} if condition.word else {})
