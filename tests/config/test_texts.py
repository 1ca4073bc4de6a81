"""What secret stores, editors and Chinese keyboards leave in values: trimmed at the ends, refused by name within."""

import subprocess
import sys
from pathlib import Path

import pytest

from authsvc.config import BadSettings, Settings
from authsvc.config.source import variables
from tests.config.test_settings import APPID, GOOD, KEY, SECRET, apps_file, problems, settings
from tests.harness.places import ROOT

BASE = GOOD["PUBLIC_BASE_URL"]
LEFT_OVER = {
    "newline": "\n",
    "carriage return": "\r\n",
    "blank": "  ",
    "tab": "\t",
    "no-break space": "\u00a0",
    "ideographic space": "\u3000",
    "byte order mark": "\ufeff",
    "zero-width space": "\u200b",
    "zero-width joiner": "\u200d",
    "word joiner": "\u2060",
    "direction mark": "\u200e",
    "soft hyphen": "\u00ad",
    "line separator": "\u2028",
    "next line": "\u0085",
    "bell": "\a",
    "hangul filler": "\u3164",
    "variation selector": "\ufe0f",
    "braille blank": "\u2800",
    "all together": "\ufeff \u200b\r\n",
}


@pytest.mark.parametrize("left", LEFT_OVER.values(), ids=LEFT_OVER.keys())
def test_what_is_left_at_the_ends_of_a_value_is_no_part_of_it(left: str, tmp_path: Path) -> None:
    given = {
        name: f"{left}{value}{left}" for name, value in {**GOOD, "LOG_LEVEL": "DEBUG", "REFRESH_GRACE": "7"}.items()
    }
    read = Settings.from_env({**given, "DATABASE_URL": f"mysql://u:p@localhost/d{left}"})
    assert (read.apps[0].appid, read.apps[0].secret, read.public_base_url) == (APPID, SECRET, BASE)
    assert (read.secret_keys, read.log_level, read.refresh_grace) == (settings().secret_keys, "DEBUG", 7)
    assert read.database_url == "mysql+pymysql://u:p@localhost/d"

    for name, value in GOOD.items():
        (tmp_path / name).write_text(f"{left}{value}{left}", encoding="utf-8", newline="")
    from_files = Settings.from_env({f"{name}_FILE": f"{tmp_path / name}{left}" for name in GOOD})
    assert (from_files.apps, from_files.public_base_url) == (read.apps, BASE)
    assert settings(WX_API_BASE=left) == settings()  # nothing but what cannot be seen is nothing


@pytest.mark.parametrize("left", LEFT_OVER.values(), ids=LEFT_OVER.keys())
def test_within_a_value_it_is_refused_by_name(left: str, tmp_path: Path) -> None:
    if left.strip(" ") == "":
        return
    for name, value in {**GOOD, "WX_PROXY": "http://proxy.example.test:3128"}.items():
        broken = f"{value[:9]}{left}{value[9:]}"
        (said,) = problems({**GOOD, name: broken})
        assert said.startswith(f"{name} contains an invisible character (U+") and value not in said
        (tmp_path / name).write_text(broken, encoding="utf-8", newline="")
        given = {kept: text for kept, text in GOOD.items() if kept != name}
        (from_file,) = problems({**given, f"{name}_FILE": str(tmp_path / name)})
        assert from_file.partition("(")[0] == said.partition("(")[0]


@pytest.mark.parametrize(
    "name, value",
    [
        ("PUBLIC_BASE_URL", "https：//login.example.test"),
        ("PUBLIC_BASE_URL", "https://login。example.test"),
        ("WX_APPID", "ｗｘ4f4bc4dec97d474b"),
        ("WX_SECRET", f"“{SECRET}”"),
        ("TRUSTED_PROXIES", "１"),
        ("RATE_LIMIT_LOGIN", "address 600/minute，user 20/minute"),
        ("SECRET_KEYS", f"{KEY}，{KEY}"),
    ],
)
def test_full_width_characters_are_refused_by_name(name: str, value: str) -> None:
    (said,) = problems({**GOOD, name: value})
    assert said.startswith(f"{name} contains a full-width character (U+") and SECRET not in said


def test_paths_are_whatever_the_disk_has(tmp_path: Path) -> None:
    folder = tmp_path / "数据（新）"
    folder.mkdir()
    (folder / "密钥").write_text(SECRET)
    given = {name: value for name, value in GOOD.items() if name != "WX_SECRET"}
    read = Settings.from_env({**given, "INSTANCE_PATH": str(folder), "WX_SECRET_FILE": str(folder / "密钥")})
    assert (read.instance_path, read.apps[0].secret) == (folder, SECRET)
    (said,) = problems({**GOOD, "INSTANCE_PATH": f"{folder}/a\u200bb"})
    assert said.startswith("INSTANCE_PATH contains an invisible character")


def test_quotation_marks_that_docker_leaves_are_refused_by_name() -> None:
    for quoted in (f'"{SECRET}"', f"'{SECRET}'"):
        assert problems({**GOOD, "WX_SECRET": quoted}) == ["WX_SECRET is in quotation marks: remove them"]


def test_bytes_that_are_no_text_are_refused_by_name() -> None:
    broken = b"https://login\xff.example.test".decode("utf-8", "surrogateescape")
    assert problems({**GOOD, "PUBLIC_BASE_URL": broken}) == ["PUBLIC_BASE_URL contains bytes that are not UTF-8 text"]


UNREADABLE = {
    "UTF-16 of a Windows editor": SECRET.encode("utf-16"),
    "UTF-16 without its mark": SECRET.encode("utf-16-le"),
    "GBK": "密钥".encode("gbk"),
    "a NUL": f"{SECRET[:9]}\0{SECRET[9:]}".encode(),
    "empty": b"",
    "blank": "\ufeff\n".encode(),
}


@pytest.mark.parametrize("content", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_a_file_that_cannot_be_read_as_text_is_a_sentence(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_bytes(content)
    given = {name: value for name, value in GOOD.items() if name != "WX_SECRET"}
    said = problems({**given, "WX_SECRET_FILE": str(path)})
    assert said[0].startswith(("WX_SECRET_FILE ", "WX_SECRET ")) and len(said) <= 2
    said = problems(apps_file(tmp_path, f'[[app]]\nappid = "{APPID}"\nsecret_file = "{path}"'))
    assert said[0].startswith("WX_APPS_FILE: [[app]] number 1: secret")
    if content:
        path.write_bytes(content * 20)
        said = problems(
            {**{name: GOOD[name] for name in ("PUBLIC_BASE_URL", "SECRET_KEYS")}, "WX_APPS_FILE": str(path)}
        )
        assert all(line.startswith("WX_APPS_FILE ") for line in said)


def test_a_toml_file_is_cleaned_in_the_same_way(tmp_path: Path) -> None:
    environ = apps_file(
        tmp_path, f'\ufeff[[app]]\nappid = "{APPID}\u200b"\nsecret = "\u00a0{SECRET}\\n"\naudience = "shop "'
    )
    (read,) = Settings.from_env(environ).apps
    assert (read.appid, read.secret, read.audience) == (APPID, SECRET, "shop")
    said = problems(apps_file(tmp_path, f'[[app]]\nappid = "{APPID}"\nsecret = "{SECRET[:9]}\u200b{SECRET[9:]}"'))
    assert said == ["WX_APPS_FILE: [[app]] number 1: secret contains an invisible character (U+200B)"]


def test_a_private_key_has_lines_and_nothing_invisible(tmp_path: Path) -> None:
    pem = "-----BEGIN PRIVATE KEY-----\r\nMIGH\r\n-----END PRIVATE KEY-----\r\n"
    assert settings(JWT_PRIVATE_KEY=pem).jwt_private_key == pem.strip()
    (said,) = problems({**GOOD, "JWT_PRIVATE_KEY": pem.replace("MIGH", "MI\u200bGH")})
    assert said.startswith("JWT_PRIVATE_KEY contains an invisible character")


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_an_env_file_of_any_editor_is_read(
    mark: str, end: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = mark + end.join(f"{name}={value}\u00a0" for name, value in GOOD.items())
    (tmp_path / ".env").write_text(text, encoding="utf-8", newline="")
    monkeypatch.chdir(tmp_path)
    for name in GOOD:
        monkeypatch.delenv(name, raising=False)
    assert Settings.from_env().apps[0].secret == SECRET


def test_an_env_file_that_cannot_be_read_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for content, word in (
        ("WX_APPID=wx1".encode("utf-16"), "is not a readable text file"),
        ("WX_SECRET=密".encode("gbk"), "is not a readable text file"),
        (b"WX_APPID=wx1\n= oops\nWX SECRET: x\n", "in line 2, 3"),
    ):
        Path(".env").write_bytes(content)
        with pytest.raises(BadSettings, match=word):
            variables()
    Path(".env").unlink()
    Path(".env").mkdir()
    with pytest.raises(BadSettings, match="readable text file"):
        variables()


def test_trimming_costs_little_however_much_there_is() -> None:
    """Whoever may write the environment may not stop the start either."""
    script = "from authsvc.config import texts; texts.trimmed(' ' * 2_000_000 + 'x'); texts.fault('x' * 200_000)"
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True, timeout=10)
