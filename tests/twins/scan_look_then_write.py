"""Scan to sign in as it is often written: look at the row, decide, write what was decided.

On SQLite every statement is its own transaction here. Twenty milliseconds pass between looking and writing, as they do
where an ORM or a network lies in between.
"""

import time
from typing import Any

from sqlalchemy import Connection

from authsvc.app import create_app
from authsvc.db.queries import scan_sign_ins
from authsvc.db.statements import Statement
from tests.harness.lockless import let_writers_meet

_LOOK = Statement("SELECT state, handed_over_at, expires_at FROM scan_sign_ins WHERE id = :id")
_SAVE_STATE = Statement("UPDATE scan_sign_ins SET state = :state, expires_at = :expires_at WHERE id = :id")
_SAVE_HANDED_OVER = Statement("UPDATE scan_sign_ins SET handed_over_at = :now WHERE id = :id")


def _look(connection: Connection, scan_id: str) -> Any:
    found = _LOOK.run(connection, id=scan_id).one()
    time.sleep(0.02)
    return found


def _decide(connection: Connection, scan_id: str, *, session_id: str, state: str, expires_at: int, now: int) -> None:
    if _look(connection, scan_id).state == "scanned":
        _SAVE_STATE.run(connection, id=scan_id, state=state, expires_at=expires_at)


def _hand_over(connection: Connection, scan_id: str, now: int) -> bool:
    found = _look(connection, scan_id)
    is_open = found.state == "approved" and found.handed_over_at is None
    if is_open:
        _SAVE_HANDED_OVER.run(connection, id=scan_id, now=now)
    return is_open


scan_sign_ins.decide = _decide
scan_sign_ins.hand_over = _hand_over
let_writers_meet()
app = create_app()
