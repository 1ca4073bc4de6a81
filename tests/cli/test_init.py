"""``authsvc init``: keys and a first .env for their owner alone, and a second run that changes nothing."""

import os
import re
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from dotenv import dotenv_values

from authsvc.cli import authsvc
from authsvc.cli.terminal import called
from authsvc.config import BadSettings, Settings
from authsvc.signing.keyset import KeySet


@pytest.fixture
def run_init(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run the command in a folder. (That ``flask`` finds it, every service of the suite shows.)"""

    def run(folder: Path, *options: str, umask: int = 0o022, **environ: str) -> Result:
        monkeypatch.chdir(folder)
        monkeypatch.delenv("INSTANCE_PATH", raising=False)
        before = os.umask(umask)
        try:
            return CliRunner().invoke(authsvc, ["init", *options], env=environ)
        finally:
            os.umask(before)

    return run


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("umask", [0o000, 0o022], ids=oct)
def test_it_makes_keys_and_an_env_file_that_nobody_else_can_read(run_init, tmp_path: Path, umask: int) -> None:
    done = run_init(tmp_path, umask=umask)
    assert done.exit_code == 0, done.output
    assert done.output.splitlines() == [
        "created  instance/keys/signing.json",
        "created  .env",
        "next: fill in WX_APPID and WX_SECRET in .env, then run:",
        f"  {called()} db upgrade",
        f"  {called()} run",
    ]
    modes = {
        name: mode_of(tmp_path / name) for name in ("instance", "instance/keys", "instance/keys/signing.json", ".env")
    }
    assert modes == {"instance": 0o700, "instance/keys": 0o700, "instance/keys/signing.json": 0o600, ".env": 0o600}
    assert KeySet.load(tmp_path / "instance" / "keys" / "signing.json").signing_kid


def test_a_second_run_keeps_everything(run_init, tmp_path: Path) -> None:
    run_init(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    again = run_init(tmp_path)
    assert again.output.splitlines() == ["kept  instance/keys/signing.json", "kept  .env"]
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_two_machines_get_different_secrets(run_init, tmp_path: Path) -> None:
    keys = set()
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        run_init(tmp_path / name)
        keys.add(dotenv_values(tmp_path / name / ".env")["SECRET_KEYS"])
    assert len(keys) == 2


def test_what_it_writes_lacks_only_the_mini_program(run_init, tmp_path: Path) -> None:
    run_init(tmp_path)
    written = {name: value for name, value in dotenv_values(tmp_path / ".env").items() if value is not None}
    with pytest.raises(BadSettings) as refused:
        Settings.from_env(written)
    assert str(refused.value).splitlines() == ["WX_APPID is not set", "WX_SECRET is not set"]
    complete = {**written, "WX_APPID": "wx4f4bc4dec97d474b", "WX_SECRET": "5e884898da28047151d0e56f8dc62927"}
    assert Settings.from_env(complete).public_base_url == "http://127.0.0.1:8000"


def test_other_places_may_be_named(run_init, tmp_path: Path) -> None:
    done = run_init(tmp_path, "--env-file", str(tmp_path / "settings"), INSTANCE_PATH=str(tmp_path / "a" / "b"))
    assert done.exit_code == 0, done.output
    assert (tmp_path / "settings").is_file() and (tmp_path / "a" / "b" / "keys" / "signing.json").is_file()
    assert not (tmp_path / "instance").exists() and not (tmp_path / ".env").exists()


def test_no_secret_is_printed(run_init, tmp_path: Path) -> None:
    done = run_init(tmp_path)
    secret = dotenv_values(tmp_path / ".env")["SECRET_KEYS"]
    private = re.search(r'"d": "([^"]+)"', (tmp_path / "instance" / "keys" / "signing.json").read_text())
    assert secret and private
    assert secret not in done.output and private[1] not in done.output


def test_a_folder_that_is_not_the_usual_one_is_written_down(run_init, tmp_path: Path) -> None:
    """What is printed next must find it."""
    run_init(tmp_path, "--instance", "elsewhere")
    assert dotenv_values(tmp_path / ".env")["INSTANCE_PATH"] == "elsewhere"
    (tmp_path / "elsewhere" / "keys" / "signing.json").unlink()
    again = run_init(tmp_path)
    assert again.output.splitlines() == ["created  elsewhere/keys/signing.json", "kept  .env"]


@pytest.mark.parametrize("content", [b"\xff\xfe", b"no setting\n"])
def test_an_env_file_that_cannot_be_read_is_left_alone(run_init, tmp_path: Path, content: bytes) -> None:
    (tmp_path / ".env").write_bytes(content)
    done = run_init(tmp_path)
    assert (done.exit_code, done.output.count("\n")) == (1, 1) and done.output.startswith("Error: .env ")
    assert [path.name for path in tmp_path.iterdir()] == [".env"] and (tmp_path / ".env").read_bytes() == content
