"""Programs that a test kills: one changes people, one delivers, one receives.

``change`` with ``is_late`` is a broken twin: it writes a change down in a transaction of its own, after that of the
change.
"""

import os
import random
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from sqlalchemy import Connection, create_engine

from authsvc.app import MIGRATIONS
from authsvc.clock import SystemClock
from authsvc.db import engine
from authsvc.db.database import Database
from authsvc.db.queries import users
from authsvc.sealing import Sealer
from authsvc.services.changes.journal import ChangeJournal, Changes
from authsvc.services.siblings.deliveries import Deliveries
from authsvc.values.people import Profile
from authsvc.webhooks.sender import Sender
from tests.harness.inprocess import SECRET

JOURNAL = ChangeJournal(86_400)


def opened(url: str) -> Database:
    return Database(create_engine(url, **engine.options(url, 8)), MIGRATIONS)


def change(url: str, ids: list[int], times: int, is_late: bool) -> None:
    """Give these users a new nickname again and again, counting upwards, until each has had so many."""
    database, rest = opened(url), list(ids)

    def work(connection: Connection, user_id: int) -> bool:
        stored = users.lock(connection, user_id)
        number = int(stored.profile.nickname or 0)
        if number >= times:
            return False
        users.set_profile(connection, user_id, Profile(nickname=str(number + 1)), 1)
        if not is_late:
            JOURNAL.note(connection, "profile.changed", user_id, 1)
        return True

    while rest:
        time.sleep(random.uniform(0, 0.01))
        user_id = random.choice(rest)
        if not database.run(work, user_id):
            rest.remove(user_id)
        elif is_late:
            time.sleep(0.01)  # whatever else it does in between
            database.run(lambda connection, user_id=user_id: JOURNAL.note(connection, "profile.changed", user_id, 1))


def deliver(url: str, host: str) -> None:
    database = opened(url)
    deliveries = Deliveries(
        database=database,
        changes=Changes(database, JOURNAL),
        sender=Sender((host,)),
        sealer=Sealer((SECRET,), "webhook secrets"),
        clock=SystemClock(),
        claim_seconds=2,
    )
    while True:
        if not deliveries.round().did_anything:
            time.sleep(0.05)


def receive(port: int, file: str) -> None:
    """Write down every message, safely, before it is answered."""
    output = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            body = self.rfile.read(length)
            if len(body) < length:  # its sender was killed
                self.close_connection = True
                return
            os.write(output, self.headers["webhook-id"].encode() + b" " + body + b"\n")
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: Any, client_address: Any) -> None:
            pass  # the other end was killed

    Server(("127.0.0.1", port), Handler).serve_forever()
