"""Where the servers keep their rows: a file each, or a schema each on a MariaDB that is started for the run."""

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pymysql

from tests.harness.processes import Process, free_port

# Debian keeps mariadbd where only root looks.
_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin"
# As shipped, durable commits included, but for what a machine of its own would be given.
_OPTIONS = ("--innodb-buffer-pool-size=1G", "--max-connections=1000", "--skip-name-resolve")


def mariadb_is_there() -> bool:
    return all(shutil.which(name, path=_PATH) for name in ("mariadbd", "mariadb-install-db"))


class MariaDB:
    """mariadbd on a free port, with a data folder of its own: what it costs is what the measured server made it do."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o755)
        data = folder / "data"
        me = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
        environment = {**os.environ, "PATH": _PATH}
        own = ["--no-defaults", f"--user={me}", f"--datadir={data}"]
        install = ["mariadb-install-db", *own, "--auth-root-authentication-method=normal", "--skip-test-db"]
        done = subprocess.run(install, env=environment, cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(done.stdout + done.stderr)
        self.port = free_port()
        place = [f"--socket={folder / 'socket'}", "--bind-address=127.0.0.1", f"--port={self.port}"]
        program = str(shutil.which("mariadbd", path=_PATH))
        self.process = Process(
            [program, *own, *place, f"--pid-file={folder / 'pid'}", *_OPTIONS],
            log=folder / "log",
            env=environment,
            cwd=folder,
        )
        self.process.wait_until(self._answers, 60)

    def _answers(self) -> bool:
        try:
            self.connect().close()
            return True
        except pymysql.err.OperationalError:
            return False

    def connect(self, schema: str | None = None) -> pymysql.Connection:
        return pymysql.connect(
            host="127.0.0.1", port=self.port, user="root", database=schema, autocommit=True, ssl_disabled=True
        )


class SQLiteFile:
    """A file in a folder that nobody else reads."""

    kind = "sqlite"
    pid = None

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700)
        self.path = folder / "bench.db"
        self.path.touch(mode=0o600)
        self.url = f"sqlite:///{self.path}"

    def connect(self) -> sqlite3.Connection:
        """A connection on which each statement is a transaction; quick, as nobody needs the rows after a crash."""
        connection = sqlite3.connect(self.path, isolation_level=None, timeout=30)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=OFF")
        return connection

    def run(self, *statements: str) -> list[Sequence[Any]]:
        """Run statements; return the rows of the last one."""
        with closing(self.connect()) as connection:
            for statement in statements:
                rows = connection.execute(statement).fetchall()
            return rows

    def bytes(self) -> int:
        return sum(file.stat().st_size for file in self.path.parent.glob("bench.db*"))

    def drop(self) -> None:
        shutil.rmtree(self.path.parent, ignore_errors=True)


class Schema:
    """A schema of the run's MariaDB, made with the server's own collation, as people would."""

    kind = "mariadb"

    def __init__(self, server: MariaDB, name: str) -> None:
        self._server, self._name = server, name
        self.pid: int = server.process.pid
        self.url = f"mysql://root@127.0.0.1:{server.port}/{name}"
        with closing(server.connect()) as connection, connection.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")

    def run(self, *statements: str) -> list[Sequence[Any]]:
        """Run statements on one connection; return the rows of the last one."""
        with closing(self._server.connect(self._name)) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return list(cursor.fetchall())

    def bytes(self) -> int:
        size = "SELECT SUM(data_length + index_length) FROM information_schema.tables WHERE table_schema = DATABASE()"
        return int(self.run(size)[0][0] or 0)

    def drop(self) -> None:
        with closing(self._server.connect()) as connection, connection.cursor() as cursor:
            cursor.execute(f"DROP DATABASE IF EXISTS {self._name}")


Place = SQLiteFile | Schema
