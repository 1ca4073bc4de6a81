"""Invites as they are often counted: look whether the code is good, note the use, write the next number.

The unique key over users is dropped by the test, on SQLite every statement is its own transaction, nobody's row is
locked, and five milliseconds pass between looking and writing.
"""

import time
from typing import Any

from sqlalchemy import Connection

from authsvc.app import create_app
from authsvc.db.queries import identities, invite_codes
from authsvc.db.statements import Statement
from authsvc.values.invites import InviteCode
from tests.harness.lockless import let_writers_meet

_WRITE = Statement("UPDATE invite_codes SET uses = :uses WHERE id = :id")


def _look_then_use(connection: Connection, code: InviteCode, user_id: int, now: int) -> bool:
    time.sleep(0.005)
    invite_codes._RECORD_USE.run(connection, invite_code_id=code.id, user_id=user_id, now=now)
    _WRITE.run(connection, id=code.id, uses=code.uses + 1)
    return True


def _do_nothing(*_: Any, **__: Any) -> None:
    pass


invite_codes.use = _look_then_use
# What locks the row of a user at a login.
identities._FIND = Statement(identities._FIND_SQL)
identities.record_login = _do_nothing
let_writers_meet()
app = create_app()
