"""Queries on consents."""

from sqlalchemy import Connection

from authsvc.db.statements import Statement
from authsvc.values.people import Consent

# Terms change a few times a year. A client that sends many versions is misbehaving.
MOST = 100
_VALUES = "INSERT INTO consents (user_id, version, given_at) SELECT :user_id, :version, :now"
_WITHIN = f" WHERE (SELECT COUNT(*) FROM consents WHERE user_id = :user_id AND version <> :version) < {MOST}"
_INSERT = Statement(_VALUES + _WITHIN, mysql=f"{_VALUES} FROM DUAL{_WITHIN}")
_LIST = Statement("SELECT version, given_at FROM consents WHERE user_id = :user_id ORDER BY given_at, version")


def give(connection: Connection, user_id: int, version: str, now: int) -> bool:
    """Record that the user agrees to this version, unless they did before: the first time counts.

    False for more than MOST; exact if the caller holds a lock on the user's row.
    """
    given = _INSERT.run_unless_taken(connection, user_id=user_id, version=version, now=now)
    return given is None or given.rowcount == 1


def of_user(connection: Connection, user_id: int) -> list[Consent]:
    """Return the user's consents, oldest first."""
    return [Consent(*row) for row in _LIST.run(connection, user_id=user_id)]
