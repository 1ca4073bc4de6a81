"""A process that writes as often as it can, with four threads, for two seconds from when it is told to begin.

    python -m tests.db.contender DATABASE_URL NAME (turns | polling)

``polling`` is the twin in which processes do not take turns.
"""

import sys
import threading
from contextlib import suppress

from sqlalchemy import Connection, create_engine

from authsvc.app import MIGRATIONS
from authsvc.db import database, engine
from authsvc.errors import ServiceBusy

THREADS = 4
SECONDS = 2


def main(url: str, name: str, how: str) -> None:
    if how == "polling":
        database.turns_of = lambda file: None
    writes = database.Database(create_engine(url, **engine.options(url, THREADS)), MIGRATIONS)
    is_over = threading.Event()

    def insert(connection: Connection) -> None:
        connection.exec_driver_sql("INSERT INTO written (name) VALUES (?)", (name,))

    def write() -> None:
        while not is_over.is_set():
            with suppress(ServiceBusy):
                writes.run(insert)

    print("ready", flush=True)
    sys.stdin.readline()
    threads = [threading.Thread(target=write) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    is_over.wait(SECONDS)
    is_over.set()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main(*sys.argv[1:])
