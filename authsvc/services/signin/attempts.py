"""Repeated logins after a lost answer: both requests get the same session.

The first request with an idempotency key claims the login before it calls WeChat; a repeat waits for it instead of
using the code again. Only a keyed hash of app, code and key is stored.
"""

import time

from sqlalchemy import Connection

from authsvc.clock import SystemClock
from authsvc.db.database import Database
from authsvc.db.queries import login_attempts
from authsvc.db.queries.login_attempts import LoginAttempt
from authsvc.errors import LoginCodeUsed
from authsvc.sealing import KeyedHash
from authsvc.values.sessions import LoginCommand
from authsvc.values.wechat import MiniProgram

# The first request is answered, with any result, within WeChat's five seconds plus the database's time.
_WAIT_SECONDS = 6.0
_POLL_SECONDS = 0.05


class LoginAttempts:
    """Remembers logins for ``window`` seconds; with 0 (LOGIN_RETRY_WINDOW), it remembers none."""

    def __init__(self, database: Database, hashes: KeyedHash, clock: SystemClock, window: int) -> None:
        self._database = database
        self._hashes = hashes
        self._clock = clock
        self._window = window

    def hash_of(self, app: MiniProgram, command: LoginCommand) -> str | None:
        """Return the hash of this login, or None if it is not remembered, as without an idempotency key."""
        if command.idempotency_key is None or self._window <= 0:
            return None
        return self._hashes.of(app.appid, command.code, command.idempotency_key)

    def claim(self, login_hash: str) -> LoginAttempt | None:
        """Return None if the caller must carry out the login, or the finished login that it repeats.

        Raises LoginCodeUsed if the first request neither finishes nor gives up in time.
        """
        give_up = time.monotonic() + _WAIT_SECONDS
        while time.monotonic() < give_up:
            if self._database.run(self._try_claim, login_hash):
                return None
            earlier = self._await_end(login_hash, give_up)
            if earlier is not None:
                return earlier
        raise LoginCodeUsed("an earlier request with this code has not ended")

    def _try_claim(self, connection: Connection, login_hash: str) -> bool:
        now = self._clock.seconds()
        return login_attempts.claim(connection, login_hash, now=now, since=now - self._window)

    def _await_end(self, login_hash: str, give_up: float) -> LoginAttempt | None:
        """Poll, without writing, until the login is done; None if it was given up or takes too long."""
        while time.monotonic() < give_up:
            attempt = self._database.read(login_attempts.find, login_hash)
            if attempt is None or attempt.session_id is not None:
                return attempt
            time.sleep(_POLL_SECONDS)
        return None

    def release(self, login_hash: str) -> None:
        """Release a login that failed."""
        self._database.run(login_attempts.release, login_hash)
