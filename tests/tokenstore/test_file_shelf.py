"""The file store: what may lie in its folder, what may go wrong while it writes, and what it leaves behind."""

import json
import logging
import os
import resource
import socket
import stat
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from authsvc.tokenstore.fileshelf import FileShelf
from authsvc.tokenstore.shelf import Record, ShelfUnavailable
from authsvc.tokenstore.store import AccessTokenStore
from tests.harness.places import ROOT
from tests.tokenstore.conftest import APP, Clock, WeChat

VICTIM = "nobody may touch this"


@pytest.fixture
def path(folder: Path) -> Path:
    folder.mkdir(mode=0o700)
    return folder / f"{APP.appid}.json"


@pytest.fixture
def new_store(folder: Path, wechat: WeChat, clock: Clock) -> Callable[[], AccessTokenStore]:
    return lambda: AccessTokenStore(FileShelf(folder, clock), wechat.fetch, clock)


def good(clock: Clock, **changes: object) -> str:
    values = {
        "appid": APP.appid,
        "access_token": "70_planted-by-a-stranger",
        "source": "stable_token",
        "serial": "0123456789abcdef",
        "fetched_at": clock.now() - 10,
        "expires_at": clock.now() + 7000,
        "replaced_at": [],
        **changes,
    }
    return json.dumps(values)


def private(path: Path, text: str, mode: int = 0o600) -> None:
    path.write_text(text)
    path.chmod(mode)


def planted_link(path: Path, clock: Clock) -> None:
    victim = path.parent.parent / "victim"
    private(victim, VICTIM)
    path.symlink_to(victim)


def planted_hard_link(path: Path, clock: Clock) -> None:
    victim = path.parent.parent / "victim"
    private(victim, VICTIM)
    os.link(victim, path)


def planted_gigabyte(path: Path, clock: Clock) -> None:
    private(path, good(clock))
    os.truncate(path, 1 << 30)


def planted_stranger(path: Path, clock: Clock) -> None:
    private(path, good(clock))
    os.chown(path, 1234, 1234)


def planted_socket(path: Path, clock: Clock) -> None:
    # A socket's own path may have 107 characters at most.
    with socket.socket(socket.AF_UNIX) as listener:
        here = Path.cwd()
        os.chdir(path.parent)
        listener.bind(path.name)
        os.chdir(here)


PLANTED: dict[str, Callable[[Path, Clock], None]] = {
    "empty": lambda path, clock: private(path, ""),
    "garbage": lambda path, clock: private(path, "\x00\xff" * 100),
    "deep": lambda path, clock: private(path, "[" * 8000),
    "a list": lambda path, clock: private(path, "[]"),
    "cut": lambda path, clock: private(path, good(clock)[:100]),
    "of another app": lambda path, clock: private(path, good(clock, appid="wxba5fad812f8e6fb9")),
    "from the future": lambda path, clock: private(path, good(clock, expires_at=4070908800)),
    "infinite": lambda path, clock: private(path, good(clock).replace("70", "70", 1).replace("[]", "[1e999]")),
    "without a token": lambda path, clock: private(path, good(clock, access_token="")),
    "a token with a line break": lambda path, clock: private(path, good(clock, access_token="70_a\r\nb: c")),
    "readable to others": lambda path, clock: private(path, good(clock), 0o644),
    "of another user": planted_stranger,
    "a gigabyte": planted_gigabyte,
    "a link": planted_link,
    "a hard link": planted_hard_link,
    "a pipe": lambda path, clock: os.mkfifo(path, 0o600),
    "a folder": lambda path, clock: path.mkdir(),
    "a full folder": lambda path, clock: (path / "inside").mkdir(parents=True),
    "a socket": planted_socket,
}


@pytest.mark.parametrize("name", PLANTED)
def test_what_is_not_our_file_is_replaced_and_nobody_is_harmed(
    name: str,
    path: Path,
    new_store: Callable[[], AccessTokenStore],
    wechat: WeChat,
    clock: Clock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    if name == "of another user" and os.geteuid() != 0:
        pytest.skip("needs root")
    PLANTED[name](path, clock)
    began = time.monotonic()
    token = new_store().get(APP)
    assert time.monotonic() - began < 1
    assert token == "70_token-number-1"
    facts = path.lstat()
    assert stat.S_ISREG(facts.st_mode) and stat.S_IMODE(facts.st_mode) == 0o600 and facts.st_nlink == 1
    assert new_store().get(APP) == token and wechat.calls == 1
    warnings = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(warnings) == 1
    assert "planted" not in caplog.text and VICTIM not in caplog.text
    victim = path.parent.parent / "victim"
    assert not victim.exists() or victim.read_text() == VICTIM


@pytest.mark.parametrize("kind", ["link", "folder", "pipe"])
def test_the_lock_file_may_be_planted_too(
    kind: str, path: Path, new_store: Callable[[], AccessTokenStore], wechat: WeChat
) -> None:
    lock = path.with_suffix(".lock")
    victim = path.parent.parent / "victim"
    victim.write_text(VICTIM)
    {"link": lambda: lock.symlink_to(victim), "folder": lock.mkdir, "pipe": lambda: os.mkfifo(lock)}[kind]()
    began = time.monotonic()
    assert new_store().get(APP) == new_store().get(APP)
    assert time.monotonic() - began < 1
    assert (wechat.calls, victim.read_text()) == (1, VICTIM)


def test_a_folder_that_is_a_link_is_not_used(
    folder: Path, new_store: Callable[[], AccessTokenStore], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    folder.symlink_to(elsewhere)
    store = new_store()
    assert store.get(APP) == store.get(APP)
    assert list(elsewhere.iterdir()) == []
    assert any(record.levelno == logging.ERROR for record in caplog.records)


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o777])
def test_everything_is_private_under_any_umask(
    umask: int, folder: Path, new_store: Callable[[], AccessTokenStore], wechat: WeChat
) -> None:
    before = os.umask(umask)
    try:
        token = new_store().get(APP)
        assert new_store().get(APP) == token
    finally:
        os.umask(before)
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()}
    assert modes == {f"{APP.appid}.json": 0o600, f"{APP.appid}.lock": 0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert wechat.calls == 1


def test_a_folder_open_to_others_is_closed(folder: Path, new_store: Callable[[], AccessTokenStore]) -> None:
    folder.mkdir(mode=0o777)
    folder.chmod(0o777)
    new_store().get(APP)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_write_is_forced_to_disk_before_and_after_the_rename(
    folder: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf = FileShelf(folder, clock)
    steps: list[str] = []

    def noted(name: str, shown: Callable[..., str]) -> None:
        real = getattr(os, name)

        def wrapper(*arguments: object, **named: object) -> object:
            steps.append(shown(*arguments, **named))
            return real(*arguments, **named)

        monkeypatch.setattr(os, name, wrapper)

    def fsynced(descriptor: int) -> str:
        return "fsync folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "fsync file"

    def replaced(source: str, target: str, **folders: int) -> str:
        return "rename inside" if folders["src_dir_fd"] == folders["dst_dir_fd"] else "rename elsewhere"

    release = shelf.lock(APP.appid, 1)
    noted("write", lambda descriptor, content: f"write {stat.S_IMODE(os.fstat(descriptor).st_mode):o}")
    noted("fsync", fsynced)
    noted("replace", replaced)
    shelf.write(APP.appid, Record("70_" + "a" * 100, "stable_token", "0" * 16, 7200.0))
    monkeypatch.undo()
    assert release is not None
    release()
    assert steps == ["write 600", "fsync file", "rename inside", "fsync folder"]


def test_drafts_of_killed_writers_are_gone_after_the_next_start(path: Path, clock: Clock) -> None:
    drafts = [path.parent / f".{APP.appid}{kind}.json.{'0' * 16}.draft" for kind in ("", ".failure")]
    for draft in drafts:
        private(draft, "half")
    kept = path.parent / ".of-somebody-else.draft"
    private(kept, "kept")
    FileShelf(path.parent, clock)
    assert [draft.exists() for draft in drafts] == [False, False]
    assert kept.exists()


FULL_DISK = """
    import logging, resource, sys
    from pathlib import Path
    from authsvc.clock import SystemClock
    from authsvc.tokenstore.fileshelf import FileShelf
    from authsvc.tokenstore import store as room
    from authsvc.values.wechat import FetchedToken, MiniProgram

    logging.basicConfig(level="INFO", stream=sys.stderr)
    room._PUBLISH_AGAIN_SECONDS = 0.0
    room.LOOK_SECONDS = 0.0
    calls = []
    app = MiniProgram(sys.argv[2], "secret-of-no-use", "audience")
    clock = SystemClock()
    def fetch(app):
        calls.append(1)
        return FetchedToken(f"70_fetched-{len(calls)}", 7200)
    store = room.AccessTokenStore(FileShelf(Path(sys.argv[1]), clock), fetch, clock)
    old = store.get(app)
    file = Path(sys.argv[1]) / f"{app.appid}.json"
    before = file.read_bytes()
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, resource.RLIM_INFINITY))
    new = store.replace(app, old)
    assert new != old and store.get(app) == new, "the fetched token is good, on disk or not"
    assert store.replace(app, old) == new and len(calls) == 2
    assert file.read_bytes() == before, "the old one is intact"
    assert not list(Path(sys.argv[1]).glob(".*draft"))
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert store.get(app) == new
    assert new.encode() in file.read_bytes(), "it is on disk once there is room"
    assert len(calls) == 2
"""


def test_a_full_disk_costs_an_error_in_the_log_and_nothing_else(folder: Path) -> None:
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[1] == resource.RLIM_INFINITY
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(FULL_DISK), str(folder), APP.appid],
        capture_output=True,
        text=True,
        timeout=30,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
    assert len(errors) == 1 and "EFBIG" in errors[0]
    assert "works again" in done.stderr
    assert "70_" not in done.stderr


def test_a_folder_that_cannot_be_made_does_not_keep_the_service_from_starting(
    tmp_path: Path, wechat: WeChat, clock: Clock
) -> None:
    (tmp_path / "file").write_text("")
    store = AccessTokenStore(FileShelf(tmp_path / "file" / "access_token", clock), wechat.fetch, clock)
    assert store.get(APP) == store.get(APP)
    assert wechat.calls == 1


def test_too_many_open_files_do_not_move_the_lock_away(
    folder: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf = FileShelf(folder, clock)
    release = shelf.lock(APP.appid, 1)
    assert release is not None
    real = os.open

    def no_more(path: object, *arguments: int, **named: int) -> int:
        if str(path).endswith(".lock"):
            raise OSError(24, "Too many open files")
        return real(path, *arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "open", no_more)
    with pytest.raises(ShelfUnavailable):
        shelf.lock(APP.appid, 0)
    monkeypatch.undo()
    assert [file.name for file in folder.iterdir()] == [f"{APP.appid}.lock"]
    release()


def test_making_the_shelf_makes_no_folder(folder: Path, clock: Clock) -> None:
    FileShelf(folder, clock)
    assert not folder.exists()
