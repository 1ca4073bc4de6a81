"""Whether this instance can do its work."""

from authsvc.db.database import Database


class HealthService:
    """Answers readiness."""

    def __init__(self, database: Database, signing_kid: str) -> None:
        self._database = database
        self._signing_kid = signing_kid

    def checks(self) -> dict[str, bool]:
        """Return each condition of readiness by name: database reachable, migrations at head, a signing key."""
        reachable = self._database.is_reachable()
        return {
            "database": reachable,
            "migrations": reachable and self._database.is_migrated(),
            "keys": bool(self._signing_kid),
        }
