"""Queries on calls for phone numbers: how many, by whom, and which codes were sent to WeChat."""

from sqlalchemy import Connection

from authsvc.db.statements import Statement

_CLAIM_CODE = Statement("INSERT INTO spent_phone_codes (code_hash, spent_at) VALUES (:code_hash, :now)")
_RELEASE_CODE = Statement("DELETE FROM spent_phone_codes WHERE code_hash = :code_hash")
_ADD = Statement(
    "INSERT INTO phone_calls (subject, day, calls) VALUES (:subject, :day, 1)"
    " ON CONFLICT (subject, day) DO UPDATE SET calls = calls + 1",
    mysql="INSERT INTO phone_calls (subject, day, calls) VALUES (:subject, :day, 1)"
    " ON DUPLICATE KEY UPDATE calls = calls + 1",
)
_TAKE_BACK = Statement("UPDATE phone_calls SET calls = calls - 1 WHERE subject = :subject AND day = :day AND calls > 0")
_COUNT = Statement("SELECT calls FROM phone_calls WHERE subject = :subject AND day = :day")
_SWEEP_CODES = Statement("DELETE FROM spent_phone_codes WHERE spent_at < :before")
_SWEEP_DAYS = Statement("DELETE FROM phone_calls WHERE day < :before")


def claim_code(connection: Connection, code_hash: str, now: int) -> bool:
    """Claim this code for the caller; False if it was sent before."""
    return _CLAIM_CODE.run_unless_taken(connection, code_hash=code_hash, now=now) is not None


def release_code(connection: Connection, code_hash: str) -> None:
    """Release a code that never reached WeChat."""
    _RELEASE_CODE.run(connection, code_hash=code_hash)


def add(connection: Connection, subject: str, day: int) -> int:
    """Count one more call of a subject on a day, and return the new count.

    The row stays locked until the transaction ends, so the count is exact; a rollback undoes it.
    """
    _ADD.run(connection, subject=subject, day=day)
    return count(connection, subject, day)


def take_back(connection: Connection, subject: str, day: int) -> None:
    """Undo one call."""
    _TAKE_BACK.run(connection, subject=subject, day=day)


def count(connection: Connection, subject: str, day: int) -> int:
    """Return the calls of a subject on a day (days since 1970 in China)."""
    return int(_COUNT.run(connection, subject=subject, day=day).scalar() or 0)


def sweep(connection: Connection, *, codes_before: int, days_before: int) -> None:
    """Delete codes and days that are no longer needed."""
    _SWEEP_CODES.run(connection, before=codes_before)
    _SWEEP_DAYS.run(connection, before=days_before)
