"""Queries on credentials of other services."""

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from authsvc.db.statements import Statement


@dataclass(frozen=True, slots=True)
class ServiceCredential:
    """A service's credential: its name, the keyed hash of its secret, and its scopes. Seconds since 1970 UTC."""

    name: str
    secret_hash: str = field(repr=False)
    scopes: tuple[str, ...]
    created_at: int


_COLUMNS = "SELECT name, secret_hash, scopes, created_at FROM service_credentials"
_FIND = Statement(f"{_COLUMNS} WHERE name = :name")
_LOCK_SQL = "SELECT 1 FROM service_credentials WHERE name = :name"
_LOCK = Statement(_LOCK_SQL, mysql=f"{_LOCK_SQL} FOR UPDATE")
_LIST = Statement(f"{_COLUMNS} ORDER BY name")
_ANY = Statement("SELECT 1 FROM service_credentials LIMIT 1")
_INSERT = Statement(
    "INSERT INTO service_credentials (name, secret_hash, scopes, created_at)"
    " VALUES (:name, :secret_hash, :scopes, :now)"
)
_DELETE = Statement("DELETE FROM service_credentials WHERE name = :name")


def find(connection: Connection, name: str) -> ServiceCredential | None:
    """Return the credential with this name, if there is one."""
    row = _FIND.run(connection, name=name).one_or_none()
    return None if row is None else _credential(tuple(row))


def lock(connection: Connection, name: str) -> bool:
    """Lock the credential until the transaction ends; False if there is none with this name."""
    return _LOCK.run(connection, name=name).first() is not None


def list_all(connection: Connection) -> list[ServiceCredential]:
    """Return every credential by name."""
    return [_credential(tuple(row)) for row in _LIST.run(connection)]


def exists(connection: Connection) -> bool:
    """Tell whether there is any credential."""
    return _ANY.run(connection).first() is not None


def insert(connection: Connection, credential: ServiceCredential) -> bool:
    """Add a credential; False if the name is taken."""
    added = _INSERT.run_unless_taken(
        connection,
        name=credential.name,
        secret_hash=credential.secret_hash,
        scopes=" ".join(credential.scopes),
        now=credential.created_at,
    )
    return added is not None


def delete(connection: Connection, name: str) -> bool:
    """Remove a credential; False if there was none."""
    return _DELETE.run(connection, name=name).rowcount == 1


def _credential(row: tuple[Any, ...]) -> ServiceCredential:
    return ServiceCredential(row[0], row[1], tuple(row[2].split()), row[3])
