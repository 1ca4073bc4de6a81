"""Queries on what people have agreed to."""

from sqlalchemy import Connection

from authsvc.db.statements import Statement
from authsvc.types import Consent

_INSERT = Statement("INSERT INTO consents (user_id, version, given_at) VALUES (:user_id, :version, :now)")
_LIST = Statement("SELECT version, given_at FROM consents WHERE user_id = :user_id ORDER BY given_at, version")


def give(connection: Connection, user_id: int, version: str, now: int) -> None:
    """Note that the user agrees to this version, unless they did before: the first time counts."""
    _INSERT.run_unless_taken(connection, user_id=user_id, version=version, now=now)


def of_user(connection: Connection, user_id: int) -> list[Consent]:
    """Return what the user has agreed to, the oldest first."""
    return [Consent(*row) for row in _LIST.run(connection, user_id=user_id)]
