"""Queries on failed decryptions, counted per session_key (stored as a keyed hash)."""

from collections.abc import Sequence

from sqlalchemy import Connection

from authsvc.db.deletion import Deletion
from authsvc.db.statements import ListStatement, Statement

_COUNTS = ListStatement("SELECT key_hash, failures FROM decrypt_failures WHERE key_hash IN ({listed})")
_ADD = Statement(
    "INSERT INTO decrypt_failures (key_hash, failures, failed_at) VALUES (:key_hash, 1, :now)"
    " ON CONFLICT (key_hash) DO UPDATE SET failures = failures + 1, failed_at = excluded.failed_at",
    mysql="INSERT INTO decrypt_failures (key_hash, failures, failed_at) VALUES (:key_hash, 1, :now)"
    " ON DUPLICATE KEY UPDATE failures = failures + 1, failed_at = VALUES(failed_at)",
)
_TAKE_BACK = Statement("UPDATE decrypt_failures SET failures = failures - 1 WHERE key_hash = :key_hash")
_DELETE_IF_NONE = Statement("DELETE FROM decrypt_failures WHERE key_hash = :key_hash AND failures = 0")
_DELETE_OLD = Deletion("decrypt_failures", "failed_at < :before")


def counts(connection: Connection, key_hashes: Sequence[str]) -> dict[str, int]:
    """Return how often decryption failed with each of these keys; keys without failures are left out."""
    return {row.key_hash: row.failures for row in _COUNTS.run(connection, key_hashes)} if key_hashes else {}


def add(connection: Connection, key_hash: str, now: int) -> None:
    """Count one more failure. The row stays locked until the transaction ends; a rollback undoes the count."""
    _ADD.run(connection, key_hash=key_hash, now=now)


def take_back(connection: Connection, key_hash: str) -> None:
    """Undo one failure of a key that was counted in this transaction."""
    _TAKE_BACK.run(connection, key_hash=key_hash)
    _DELETE_IF_NONE.run(connection, key_hash=key_hash)


def delete_last_failed(connection: Connection, before: int) -> int:
    """Delete some counts that have not increased since that time; return how many, 0 if none is left."""
    return _DELETE_OLD.run(connection, before)
