"""The file of a SQLite database: one place for it, mode 0600 for all that belongs to it, and sentences otherwise."""

import os
import socket
import sqlite3
import stat
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from authsvc.config import BadSettings, Settings
from authsvc.db import sqlitefile
from authsvc.db.sqlitefile import UnfitDatabase
from tests.config.test_settings import GOOD
from tests.harness.inprocess import migrated_database

_NOBODY = 65534


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def read(url: str, instance: Path) -> str:
    return Settings.from_env({**GOOD, "DATABASE_URL": url, "INSTANCE_PATH": str(instance)}).database_url


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///login.db", "{instance}/login.db"),
        ("sqlite:///data/login.db", "{instance}/data/login.db"),
        ("sqlite:////srv/login.db", "/srv/login.db"),
        ("", "{instance}/authsvc.db"),
    ],
)
@pytest.mark.parametrize("instance", ["/srv/instance", "instance"])
def test_a_path_begins_in_the_instance_folder_unless_it_is_whole(url: str, path: str, instance: str) -> None:
    here = Path(instance).absolute()
    assert read(url, Path(instance)) == f"sqlite:///{path.format(instance=here)}"


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("sqlite://", "memory"),
        ("sqlite:///", "memory"),
        ("sqlite:///:memory:", "memory"),
        ("sqlite:///file::memory:?cache=shared&uri=true", "memory"),
        ("sqlite:///file:login.db?mode=memory&uri=true", "memory"),
        ("sqlite:///file:login.db?mode=ro&uri=true", "without file:, ~ or parameters"),
        ("sqlite:///login.db?timeout=5", "without file:, ~ or parameters"),
        ("sqlite:///~/login.db", "without file:, ~ or parameters"),
        ("sqlite:///data/", "names a folder"),
        ("sqlite://login.db", "three slashes"),
        ("sqlite:login.db", "three slashes"),
    ],
)
def test_what_is_no_path_is_told(url: str, says: str) -> None:
    with pytest.raises(BadSettings, match=rf"^DATABASE_URL.*{says}"):
        read(url, Path("instance"))


def test_every_file_of_the_database_is_ours_alone(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "that is not there" / "authsvc.db"
    with umask(0o000), migrated_database(f"sqlite:///{path}") as database:
        database.run(lambda connection: connection.exec_driver_sql("DELETE FROM decrypt_failures"))
        with closing(sqlite3.connect(path)) as reading:  # keeps the log where it is
            reading.execute("SELECT COUNT(*) FROM users").fetchall()
            found = {file.name: mode(file) for file in path.parent.iterdir()}
    assert found == {f"authsvc.db{ending}": 0o600 for ending in ("", "-wal", "-shm", "-turns")}
    assert mode(path.parent) == 0o700


def test_files_that_were_open_to_others_are_tightened(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "login.db"
    with umask(0o022), closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE anything (id)")
        assert {mode(file) for file in tmp_path.iterdir()} == {0o644}
        assert len(list(tmp_path.iterdir())) == 3
        sqlitefile.prepare(f"sqlite:///{path}")
        assert {mode(file) for file in tmp_path.iterdir()} == {0o600}
    assert "was accessible to others (mode 0644)" in caplog.text


def _not_a_database(path: Path) -> None:
    path.write_bytes(b"-----BEGIN PRIVATE KEY-----\n")


def _folder_within_a_file(path: Path) -> None:
    path.parent.rmdir()
    path.parent.write_text("")


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (Path.mkdir, "Is a directory"),
        (_folder_within_a_file, "cannot be opened for writing"),
        (_not_a_database, "already exists and is not a SQLite database"),
        (_pipe, "is not a file"),
        (_socket, "cannot be opened for writing"),
    ],
)
def test_something_else_under_the_name_is_told_and_left_alone(tmp_path: Path, make, says: str) -> None:
    path = tmp_path / "folder" / "login.db"
    path.parent.mkdir()
    make(path)
    before = path.lstat() if path.parent.is_dir() else None
    with pytest.raises(UnfitDatabase, match=rf"^DATABASE_URL: {path} {says}|^DATABASE_URL: {path}.*{says}"):
        sqlitefile.prepare(f"sqlite:///{path}")
    if before is not None:
        assert (path.lstat().st_size, path.lstat().st_mode) == (before.st_size, before.st_mode)


@contextmanager
def nobody(*theirs: Path) -> Iterator[None]:
    """Root may write everything: let somebody else try, whose these are."""
    if os.getuid() != 0:
        yield
        return
    for path in theirs:
        os.chown(path, _NOBODY, _NOBODY)
    os.seteuid(_NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.parametrize("locked", ["file", "folder"])
def test_a_file_or_folder_that_cannot_be_written_is_told(locked: str) -> None:
    with tempfile.TemporaryDirectory() as root:  # where everybody comes
        Path(root).chmod(0o711)
        path = Path(root) / "folder" / "login.db"
        path.parent.mkdir()
        path.touch(0o600)
        (path if locked == "file" else path.parent).chmod(0o500)
        with nobody(path.parent, path), pytest.raises(UnfitDatabase, match=r"^DATABASE_URL: .*writ"):
            sqlitefile.prepare(f"sqlite:///{path}")
        path.parent.chmod(0o700)


def test_a_full_disk_is_seen_before_it_is_felt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with migrated_database(f"sqlite:///{tmp_path / 'authsvc.db'}") as database:
        assert database.condition().word is None
        real = os.statvfs(tmp_path)

        class Full:
            f_bfree = f_bavail = 3
            f_frsize = real.f_frsize

        monkeypatch.setattr(os, "statvfs", lambda path: Full)
        database._fitness._looked_at = 0.0  # a second later
        assert database.condition().word == "full"
