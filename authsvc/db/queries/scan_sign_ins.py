"""Queries on browsers that are signed in by a scan. Every change checks the current state."""

from dataclasses import dataclass, field

from sqlalchemy import Connection

from authsvc.db.deletion import Deletion
from authsvc.db.statements import Statement
from authsvc.values.sessions import ScanState

# Expired rows are kept for this long, so that a late page learns that it is late, not that the row is unknown.
RUN_OUT_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class ScanSignIn:
    """A browser's request.

    Times are seconds since 1970 UTC; ``session_id`` is the session of the phone that scanned.
    """

    id: str
    browser_hash: str = field(repr=False)
    appid: str
    state: ScanState
    device: str
    address: str | None = field(repr=False)
    created_at: int
    expires_at: int
    session_id: str | None = None
    handed_over_at: int | None = None


_COLUMNS = "id, browser_hash, appid, state, device, address, created_at, expires_at, session_id, handed_over_at"
_INSERT = Statement(
    "INSERT INTO scan_sign_ins (id, browser_hash, appid, state, device, address, created_at, expires_at)"
    " VALUES (:id, :browser_hash, :appid, 'pending', :device, :address, :now, :expires_at)"
)
_FIND = Statement(f"SELECT {_COLUMNS} FROM scan_sign_ins WHERE id = :id")
_SCAN = Statement(
    "UPDATE scan_sign_ins SET state = 'scanned', session_id = :session_id, expires_at = :expires_at"
    " WHERE id = :id AND appid = :appid AND state = 'pending' AND expires_at > :now"
)
_DECIDE = Statement(
    "UPDATE scan_sign_ins SET state = :state, expires_at = :expires_at"
    " WHERE id = :id AND session_id = :session_id AND state = 'scanned' AND expires_at > :now"
)
_HAND_OVER = Statement(
    "UPDATE scan_sign_ins SET handed_over_at = :now"
    " WHERE id = :id AND state = 'approved' AND handed_over_at IS NULL AND expires_at > :now"
)
_DELETE_OLD = Deletion("scan_sign_ins", "expires_at < :before")


def insert(connection: Connection, asked: ScanSignIn) -> None:
    """Store a new request."""
    _INSERT.run(
        connection,
        id=asked.id,
        browser_hash=asked.browser_hash,
        appid=asked.appid,
        device=asked.device,
        address=asked.address,
        now=asked.created_at,
        expires_at=asked.expires_at,
    )


def find(connection: Connection, scan_id: str) -> ScanSignIn | None:
    """Return its current state."""
    row = _FIND.run(connection, id=scan_id).first()
    return None if row is None else ScanSignIn(*row)


def scan(connection: Connection, scan_id: str, *, appid: str, session_id: str, expires_at: int, now: int) -> None:
    """Let only this session decide until that time, if nobody has scanned it yet and it has not expired."""
    _SCAN.run(connection, id=scan_id, appid=appid, session_id=session_id, expires_at=expires_at, now=now)


def decide(
    connection: Connection, scan_id: str, *, session_id: str, state: ScanState, expires_at: int, now: int
) -> None:
    """Approve or refuse it until that time, if this session scanned it, has not decided, and it has not expired."""
    _DECIDE.run(connection, id=scan_id, session_id=session_id, state=state, expires_at=expires_at, now=now)


def hand_over(connection: Connection, scan_id: str, now: int) -> bool:
    """Take the approval; True for only one caller, False for all others and if it is too late."""
    return _HAND_OVER.run(connection, id=scan_id, now=now).rowcount == 1


def delete_expired(connection: Connection, before: int) -> int:
    """Delete some that ended before that time; return how many, 0 if none is left."""
    return _DELETE_OLD.run(connection, before)
