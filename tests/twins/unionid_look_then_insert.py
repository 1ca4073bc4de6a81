"""Joining by unionid as it is often written: look who has it; if nobody, make a user and note the unionid as theirs.

Nothing holds that together: the unique key over unionids is not used, on SQLite every statement is its own
transaction, and two milliseconds pass between looking and inserting.
"""

import time

from sqlalchemy import Connection

from authsvc.app import create_app
from authsvc.db.queries import identities
from authsvc.db.statements import Statement
from authsvc.values.people import User
from tests.harness.lockless import let_writers_meet

_NOTE = Statement(
    "INSERT OR REPLACE INTO unionids (unionid, user_id) VALUES (:unionid, :user_id)",
    mysql="REPLACE INTO unionids (unionid, user_id) VALUES (:unionid, :user_id)",
)
_find_unionid_owner = identities.find_unionid_owner


def _look(connection: Connection, unionid: str) -> User | None:
    owner = _find_unionid_owner(connection, unionid)
    if owner is None:
        time.sleep(0.002)
    return owner


def _note(connection: Connection, unionid: str, user_id: int) -> bool:
    _NOTE.run(connection, unionid=unionid, user_id=user_id)
    return True


identities.find_unionid_owner = _look
identities.claim_unionid = _note
let_writers_meet()
app = create_app()
