"""Binding a phone number as it is often written: look whether somebody has it; if not, make it this user's.

The unique key over numbers is dropped by the test, on SQLite every statement is its own transaction, and twenty
milliseconds pass between looking and binding: the two of a pair do not arrive together as exactly as a crowd does.
"""

import time

from sqlalchemy import Connection

from authsvc.app import create_app
from authsvc.db.queries import users
from authsvc.db.statements import Statement
from authsvc.values.people import PhoneNumber, User
from tests.harness.lockless import let_writers_meet

_FIND = Statement(f"SELECT {users.COLUMNS} FROM users u WHERE u.country_code = :country_code AND u.phone = :phone")


def _look(connection: Connection, phone: PhoneNumber) -> User | None:
    row = _FIND.run(connection, country_code=phone.country_code, phone=phone.national).first()
    if row is None:
        time.sleep(0.02)
        return None
    return users.from_row(tuple(row))


users.find_by_phone = _look
let_writers_meet()
app = create_app()
