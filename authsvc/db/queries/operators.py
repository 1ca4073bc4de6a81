"""Queries on operators."""

from dataclasses import dataclass, field

from sqlalchemy import Connection

from authsvc.db.statements import Statement
from authsvc.values.operator import OperatorRole


@dataclass(frozen=True, slots=True)
class Operator:
    """An operator: name, role, and the keyed hash of their secret (empty once removed). Seconds since 1970 UTC."""

    name: str
    role: OperatorRole
    secret_hash: str = field(repr=False)
    created_at: int
    rotated_at: int | None = None
    last_used_at: int | None = None
    removed_at: int | None = None


_COLUMNS = "SELECT name, role, secret_hash, created_at, rotated_at, last_used_at, removed_at FROM operators"
_FIND_SQL = f"{_COLUMNS} WHERE name = :name AND removed_at IS NULL"
_FIND = Statement(_FIND_SQL)
_LOCK = Statement(_FIND_SQL, mysql=f"{_FIND_SQL} FOR UPDATE")
_LIST = Statement(f"{_COLUMNS} ORDER BY name")
_INSERT = Statement(
    "INSERT INTO operators (name, role, secret_hash, created_at) VALUES (:name, :role, :secret_hash, :now)"
)
_SET_ROLE = Statement("UPDATE operators SET role = :role WHERE name = :name AND removed_at IS NULL")
_ROTATE = Statement(
    "UPDATE operators SET secret_hash = :secret_hash, rotated_at = :now WHERE name = :name AND removed_at IS NULL"
)
_REMOVE = Statement(
    "UPDATE operators SET removed_at = :now, secret_hash = '' WHERE name = :name AND removed_at IS NULL"
)
_TOUCH = Statement(
    "UPDATE operators SET last_used_at = :now"
    " WHERE name = :name AND removed_at IS NULL AND (last_used_at IS NULL OR last_used_at < :before)"
)


def find(connection: Connection, name: str) -> Operator | None:
    """Return the operator with this name, unless removed."""
    row = _FIND.run(connection, name=name).first()
    return None if row is None else Operator(*row)


def lock(connection: Connection, name: str) -> Operator | None:
    """Return the operator with this name, unless removed, locked until the transaction ends."""
    row = _LOCK.run(connection, name=name).first()
    return None if row is None else Operator(*row)


def list_all(connection: Connection) -> list[Operator]:
    """Return every operator by name, also those who were removed."""
    return [Operator(*row) for row in _LIST.run(connection)]


def insert(connection: Connection, operator: Operator) -> bool:
    """Add an operator; False if the name is, or was, somebody's."""
    added = _INSERT.run_unless_taken(
        connection,
        name=operator.name,
        role=operator.role,
        secret_hash=operator.secret_hash,
        now=operator.created_at,
    )
    return added is not None


def set_role(connection: Connection, name: str, role: OperatorRole) -> bool:
    """Give an operator this role; False if there is none with this name."""
    return _SET_ROLE.run(connection, name=name, role=role).rowcount == 1


def rotate(connection: Connection, name: str, secret_hash: str, now: int) -> bool:
    """Replace an operator's secret; False if there is none with this name."""
    return _ROTATE.run(connection, name=name, secret_hash=secret_hash, now=now).rowcount == 1


def remove(connection: Connection, name: str, now: int) -> bool:
    """Remove an operator, whose name stays taken; False if there is none with this name."""
    return _REMOVE.run(connection, name=name, now=now).rowcount == 1


def touch(connection: Connection, name: str, *, now: int, before: int) -> None:
    """Record that the credential was used, unless that was recorded since ``before``."""
    _TOUCH.run(connection, name=name, now=now, before=before)
