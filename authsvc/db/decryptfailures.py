"""Queries on failed openings of encrypted data, counted per session_key (named by a keyed hash)."""

from sqlalchemy import Connection

from authsvc.db.deletion import Deletion
from authsvc.db.statements import Statement

_COUNT = Statement("SELECT failures FROM decrypt_failures WHERE key_hash = :key_hash")
_ADD = Statement(
    "INSERT INTO decrypt_failures (key_hash, failures, failed_at) VALUES (:key_hash, 1, :now)"
    " ON CONFLICT (key_hash) DO UPDATE SET failures = failures + 1, failed_at = excluded.failed_at",
    mysql="INSERT INTO decrypt_failures (key_hash, failures, failed_at) VALUES (:key_hash, 1, :now)"
    " ON DUPLICATE KEY UPDATE failures = failures + 1, failed_at = VALUES(failed_at)",
)
_DELETE_OLD = Deletion("decrypt_failures", "failed_at < :before")


def count(connection: Connection, key_hash: str) -> int:
    """Return how often data failed to open under this key."""
    return int(_COUNT.run(connection, key_hash=key_hash).scalar() or 0)


def add(connection: Connection, key_hash: str, now: int) -> None:
    """Count one more failure."""
    _ADD.run(connection, key_hash=key_hash, now=now)


def delete_last_failed(connection: Connection, before: int) -> int:
    """Forget some counts that have not gone up since then; return how many, 0 when none is left."""
    return _DELETE_OLD.run(connection, before)
