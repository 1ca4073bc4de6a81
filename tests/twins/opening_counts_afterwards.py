"""Failed openings as they are often counted: look at the count, open, and count in a transaction after the refusal.

Only for data that does not open: this twin does not go on from there.
"""

import time

from sqlalchemy import Connection

from authsvc.app import create_app
from authsvc.db.queries import decrypt_failures
from authsvc.errors import DataRejected
from authsvc.services.miniprograms.opening import MAX_FAILURES, Opened, Sealed
from authsvc.services.signin.login import Logins
from authsvc.values.sessions import LoginCommand, LoginResult, Stranger
from authsvc.values.wechat import MiniProgram

_carry_out = Logins._carry_out


def _count_afterwards(
    self: Logins, app: MiniProgram, command: LoginCommand, login_hash: str | None
) -> LoginResult | Stranger:
    if command.encrypted is None:
        return _carry_out(self, app, command, login_hash)
    opening = self._transaction._sealed_data
    exchanged = self._login_codes.exchange(app, command.code)
    key_hash = opening._hashes.of(exchanged.session_key)

    def look(connection: Connection) -> Opened:
        is_usable = decrypt_failures.counts(connection, [key_hash]).get(key_hash, 0) < MAX_FAILURES
        keys = [exchanged.session_key] if is_usable else []
        return opening._open(app, keys, Sealed(command.encrypted, expects_phone=True), exchanged.openid)

    try:
        self._database.read(look)
    except DataRejected:
        time.sleep(0.02)
        self._database.run(lambda connection: opening._count(connection, [exchanged.session_key]))
        raise
    raise AssertionError("this twin is for data that does not open")


Logins._carry_out = _count_afterwards
app = create_app()
