"""Whether this instance can do its work."""

from collections.abc import Mapping
from dataclasses import dataclass

from authsvc.db.database import Database


@dataclass(frozen=True, slots=True)
class Readiness:
    """The checks of readiness by name, and for some of them the reason, from a closed list."""

    checks: Mapping[str, bool]
    reasons: Mapping[str, str]


class Health:
    """Answers readiness."""

    def __init__(self, database: Database, signing_kid: str) -> None:
        self._database = database
        self._signing_kid = signing_kid

    def readiness(self) -> Readiness:
        """Return the checks: a writable database, migrations at head, a signing key."""
        condition = self._database.condition()
        checks = {
            "database": condition.word is None,
            "migrations": condition.word is None and condition.is_migrated,
            "keys": bool(self._signing_kid),
        }
        return Readiness(checks, {"database": condition.word} if condition.word else {})
