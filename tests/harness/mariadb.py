"""A MariaDB server of a test's own, which it may stop, freeze, fill and turn read-only."""

import contextlib
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import pymysql
import pytest

from tests.harness.databases import REQUIRED
from tests.harness.processes import Process, free_port

_SMALL = (
    "--innodb-buffer-pool-size=16M",
    "--innodb-log-file-size=4M",
    "--innodb-flush-log-at-trx-commit=0",
    "--key-buffer-size=1M",
    "--performance-schema=OFF",
    "--skip-log-bin",
    "--skip-name-resolve",
)
# Debian keeps it where only root looks.
_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"


def skip_without_mariadbd() -> None:
    """Skip the test where no server is installed; fail instead where services are required."""
    if shutil.which("mariadbd", path=_PATH) and shutil.which("mariadb-install-db", path=_PATH):
        return
    sentence = "skipped: mariadbd is not installed (apt-get install mariadb-server)"
    if REQUIRED:
        pytest.fail(sentence)
    pytest.skip(sentence)


class MariaDBServer:
    """mariadbd on a free port of 127.0.0.1, its data in memory where the machine has a folder for that.

    ``keeper`` may do everything, also while the server is read-only. ``root``, as which services come, may do
    everything else: nobody would run a service with the right to write to a replica.
    """

    def __init__(self, folder: Path, *options: str) -> None:
        skip_without_mariadbd()
        memory = Path("/dev/shm")
        self._data = Path(tempfile.mkdtemp(prefix="authsvc-mariadb-", dir=memory if memory.is_dir() else None))
        self._folder = folder
        self._options = options
        self.port = free_port()
        self._me = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
        self._install()
        self._process = self._begin()
        try:
            self._make_users()
        except pymysql.err.Error:
            self.remove()
            raise

    def _make_users(self) -> None:
        self.sql(
            "CREATE USER keeper@127.0.0.1",
            "GRANT ALL ON *.* TO keeper@127.0.0.1 WITH GRANT OPTION",
            "CREATE USER IF NOT EXISTS root@127.0.0.1",
            "GRANT ALL ON *.* TO root@127.0.0.1 WITH GRANT OPTION",
            "REVOKE SUPER, READ_ONLY ADMIN, CONNECTION ADMIN ON *.* FROM root@127.0.0.1",
            user="root",
            unix=True,
        )

    def _install(self) -> None:
        command = ["mariadb-install-db", "--no-defaults", f"--user={self._me}", f"--datadir={self._data / 'data'}"]
        options = ["--auth-root-authentication-method=normal", "--skip-test-db", "--innodb-log-file-size=4M"]
        options += [option for option in self._options if option.startswith("--innodb")]
        path = {"PATH": _PATH}
        done = subprocess.run(
            [*command, *options], env=path, cwd=self._data, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def _begin(self) -> Process:
        own = [f"--user={self._me}", f"--datadir={self._data / 'data'}", f"--socket={self._socket}"]
        address = ["--bind-address=127.0.0.1", f"--port={self.port}", f"--pid-file={self._data / 'pid'}"]
        command = ["mariadbd", "--no-defaults", *own, *address, *_SMALL, *self._options]
        process = Process(command, log=self._folder / "mariadb.txt", env={"PATH": _PATH}, cwd=self._data)
        for _ in range(1000):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 2):
                if self._is_listening():
                    return process
            time.sleep(0.01)
        process.kill()
        raise RuntimeError("mariadbd does not answer:\n" + (self._folder / "mariadb.txt").read_text()[-3000:])

    def _is_listening(self) -> bool:
        """On its own socket as well, which it makes after the port."""
        with socket.socket(socket.AF_UNIX) as knocking:
            return knocking.connect_ex(str(self._socket)) == 0

    @property
    def _socket(self) -> Path:
        return self._data / "socket"

    def url(self, schema: str, *, user: str = "root", port: int | None = None) -> str:
        """Where a service finds a schema, through another port if it should go round about."""
        return f"mysql://{user}@127.0.0.1:{port or self.port}/{schema}"

    def connect(self, schema: str | None = None, *, user: str = "keeper", unix: bool = False) -> Any:
        """A driver's connection; each statement is its own transaction."""
        place: dict[str, Any] = {"unix_socket": str(self._socket)} if unix else {"host": "127.0.0.1", "port": self.port}
        return pymysql.connect(
            user=user, database=schema, autocommit=True, ssl_disabled=True, connect_timeout=2, **place
        )

    def sql(self, *statements: str, schema: str | None = None, user: str = "keeper", unix: bool = False) -> list[tuple]:
        """Run statements; return the rows of the last one."""
        connection = self.connect(schema, user=user, unix=unix)
        try:
            with connection.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)
                return [tuple(row) for row in cursor.fetchall()]
        finally:
            connection.close()

    def kill_connections(self, schema: str) -> int:
        """Kill every connection to a schema; return how many there were."""
        ids = self.sql(f"SELECT id FROM information_schema.processlist WHERE db = '{schema}'")
        for (number,) in ids:
            self.sql(f"KILL {number}")
        return len(ids)

    def freeze(self) -> None:
        """Let it accept and never answer, as a machine that swaps or a disk that hangs."""
        self._process.freeze()

    def thaw(self) -> None:
        self._process.thaw()

    def start(self, *options: str) -> None:
        """Start it again after ``stop``, with other options if that is wanted."""
        self._options = options or self._options
        self._process = self._begin()

    def stop(self) -> None:
        """End it at once, as a crash would; its data stay."""
        self._process.kill()

    def remove(self) -> None:
        """End it for good."""
        self.stop()
        shutil.rmtree(self._data, ignore_errors=True)
