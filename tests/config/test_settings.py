"""Settings: every problem at once, by name and without its value; nothing that starts half-right."""

import base64
import dataclasses
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest
from PIL import Image

from authsvc.config import WECHAT_API, BadSettings, Settings
from authsvc.config.source import ALIASES
from authsvc.values.sessions import ContractName
from authsvc.web.contracts import CONTRACTS
from tests.harness.places import ROOT
from tests.harness.service import Service

APPID, OTHER_APPID = "wx4f4bc4dec97d474b", "wx51a051a000000001"
SECRET = "5e884898da28047151d0e56f8dc62927"
KEY = base64.urlsafe_b64encode(bytes(range(32))).decode().rstrip("=")
OTHER_KEY = base64.urlsafe_b64encode(bytes(range(100, 132))).decode().rstrip("=")
GOOD = {
    "WX_APPID": APPID,
    "WX_SECRET": SECRET,
    "PUBLIC_BASE_URL": "https://login.example.test",
    "SECRET_KEYS": KEY,
}


def settings(**changes: str) -> Settings:
    return Settings.from_env({**GOOD, **changes})


def problems(environ: dict[str, str]) -> list[str]:
    with pytest.raises(BadSettings) as refused:
        Settings.from_env(environ)
    return str(refused.value).splitlines()


def test_four_settings_are_enough() -> None:
    read = settings()
    assert [(app.appid, app.secret, app.audience) for app in read.apps] == [(APPID, SECRET, APPID)]
    assert (read.public_base_url, read.wx_api_base) == ("https://login.example.test", WECHAT_API)
    assert read.secret_keys == (bytes(range(32)),)
    assert read.instance_path == Path("instance").absolute()
    assert read.database_url == f"sqlite:///{read.instance_path}/authsvc.db"
    assert (read.access_token_lifetime, read.watermark_max_age, read.login_retry_window) == (900, 300, 60)


def test_the_contracts_that_are_served_are_named_and_the_native_one_always_is() -> None:
    every = ("native", "bearer", "detail", "code_message_data", "code_msg_data", "success_data")
    assert get_args(ContractName) == every
    assert {contract.name for contract in CONTRACTS} == {*every, "oauth", "console"}
    assert settings().contracts == every
    for text, served in (
        ("native", ("native",)),
        (" detail, bearer,", ("native", "bearer", "detail")),
        (",".join(reversed(every)), every),
    ):
        assert settings(CONTRACTS=text).contracts == served
    for text in ("Detail", "bearer,oauth", "all", "bearer detail"):
        (said,) = problems({**GOOD, "CONTRACTS": text})
        assert said.startswith("CONTRACTS ") and all(name in said for name in every) and text not in said


def test_who_names_nobody_gets_half_of_the_numbers_unless_another_part_is_set() -> None:
    for changes, part in (
        ({}, 5000),
        ({"PHONE_DAILY_TOTAL": "7"}, 4),
        ({"PHONE_DAILY_TOTAL": "0"}, 0),
        ({"PHONE_DAILY_TOTAL": "0", "PHONE_DAILY_UNATTRIBUTED": "9"}, 9),
        ({"PHONE_DAILY_UNATTRIBUTED": "9999"}, 9999),
    ):
        assert settings(**changes).phone_budgets.unattributed == part
    for wrong in ("0", "10000", "20000"):
        (said,) = problems({**GOOD, "PHONE_DAILY_UNATTRIBUTED": wrong})
        assert said.startswith("PHONE_DAILY_UNATTRIBUTED ")


def test_scan_to_sign_in_is_off_until_a_page_is_named() -> None:
    assert (settings().scan_sign_in_page, settings().scan_sign_in_origins) == (None, ())
    read = settings(
        SCAN_SIGN_IN_PAGE="pages/scan/scan",
        SCAN_SIGN_IN_ORIGINS="https://www.example.test, https://shop.example.test:8443,http://localhost:3000",
    )
    assert read.scan_sign_in_page == "pages/scan/scan"
    assert read.scan_sign_in_origins == (
        "https://www.example.test",
        "https://shop.example.test:8443",
        "http://localhost:3000",
    )


@pytest.mark.parametrize(
    "url, origin",
    [
        ("https://Login.Example.test:443/", "https://login.example.test"),
        ("https://login.example.test:8443", "https://login.example.test:8443"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("http://localhost:80", "http://localhost"),
    ],
)
def test_the_console_is_off_until_it_is_turned_on(url: str, origin: str) -> None:
    assert settings().console is False
    read = settings(CONSOLE="1", PUBLIC_BASE_URL=url)
    assert (read.console, read.public_origin) == (True, origin)


def test_the_console_is_not_for_plain_text_on_a_network() -> None:
    assert settings(PUBLIC_BASE_URL="http://192.168.1.7:8000").console is False
    assert problems({**GOOD, "CONSOLE": "1", "PUBLIC_BASE_URL": "http://192.168.1.7:8000"}) == [
        "CONSOLE=1 needs an https PUBLIC_BASE_URL, or http on this machine"
    ]


def test_tourists_are_nobodys_until_an_app_of_ours_is_named_for_them() -> None:
    assert (settings().wx_tourist_app, settings(WX_TOURIST_APP=APPID).wx_tourist_app) == (None, APPID)


def test_everything_that_is_missing_is_said_at_once() -> None:
    said = problems({})
    assert [line.split()[0] for line in said] == ["WX_APPID", "WX_SECRET", "PUBLIC_BASE_URL", "SECRET_KEYS"]
    assert all("is not set" in line for line in said)


WRONG = {
    "WX_APPID": ["wx123", "WX4F4BC4DEC97D474B", "gh_0123456789ab", f"{APPID}0", f"{APPID} {APPID}"],
    "WX_SECRET": [
        "15-characters-x",
        # What templates and tutorials leave in the place of a secret.
        "your-app-secret-here",
        "YOUR_APPSECRET_0000",
        "changeme-changeme",
        "change_me_change_me",
        "replace-with-secret",
        "example-secret-0000",
        "secretsecretsecret",
        "test-secret-000000",
        "demo-secret-000000",
        "xxxxxxxxxxxxxxxxxxxx",
        "XXXXXXXXXXXXXXXXXXXX",
        "TODO-fill-this-in-00",
        "<your secret goes here>",
        "********************",
        "0" * 32,
    ],
    "PUBLIC_BASE_URL": [
        "login.example.test",
        "ftp://login.example.test",
        "https://:443",
        "https:///path",
        "https://login.example.test?x=1",
        "https://login.example.test#x",
        "https://[login.example.test",
        "https://login.example.test/auth",
        "https://login.example.test?",
        "https://login.example.test#",
        "https://user@login.example.test",
        "https://login.example.test:0",
        "https://login.example.test:65536",
        "https://登录.example.test",
        "https://login example.test",
        "http://login.example.test",
        "http://8.8.8.8",
        "HTTPS://login.example.test",
        "//login.example.test",
    ],
    "WX_PROXY": [
        "socks5://127.0.0.1:1080",
        "socks5h://user:secret-of-it@127.0.0.1:1080",
        "127.0.0.1:3128",
        "ftp://127.0.0.1:3128",
        "http://:3128",
        "http://proxy.example.test:0",
        "http://proxy.example.test/path",
        "http://proxy.example.test:3128?x=1",
    ],
    "WX_CA_FILE": ["/nowhere/authority.pem", "setup.cfg"],
    "SECRET_KEYS": [
        "short",
        KEY[:-4],
        f"{KEY}{KEY}",
        base64.urlsafe_b64encode(bytes(32)).decode(),
        base64.urlsafe_b64encode(b"ab" * 16).decode(),
        f"{KEY},",
        f"{KEY},short",
        "é" * 43,
    ],
    "WX_API_BASE": [
        "http://api.weixin.qq.com",
        "http://192.168.1.7:8089",
        "http://127.0.0.1.evil.test",
        "http://localhost.evil.test:8089",
        "http://user@evil.test",
        "http://[::2]:8089",
        "https://",
        "api.weixin.qq.com",
        "file:///etc/passwd",
        "https://[api.weixin.qq.com",
        "https://api.weixin.qq.com:0",
        "https://user@api.weixin.qq.com",
        "https://api.weixin.qq.com?x=1",
        "https://api.weixin.qq.com\\@evil.test",
    ],
    "DATABASE_URL": ["postgresql://u@h/d", "authsvc.db", "sqlite:authsvc.db", "mongodb://h", "mysql+asyncmy://u@h/d"],
    "DATABASE_POOL_SIZE": ["0", "-1", "1001", "many", "1.5", "1_0", "+5", "５", "٥", "0x10", "9" * 30],
    "JWT_EXTRA_CLAIMS": ["phone", "openid,email", "openid nickname"],
    "JWT_ACCESS_TOKEN_EXPIRES": ["59", "86401", "15m", "-900", "9e2"],
    "WX_MAX_IN_FLIGHT": ["0", "-1", "x"],
    "WATERMARK_MAX_AGE": ["0", "-1", "1000000001", "5 min"],
    "LOGIN_RETRY_WINDOW": ["-1", "301", "off"],
    "SCAN_SIGN_IN_PAGE": ["/pages/scan/scan", "pages/scan/scan?x=1", "页面/扫码", "pages/scan/scan\nx"],
    "SCAN_SIGN_IN_ORIGINS": [
        "www.example.test",
        "http://www.example.test",
        "https://www.example.test/",
        "https://www.example.test/path",
        "https://WWW.example.test",
        "https://user@www.example.test",
        "https://www.example.test:443",
        "https://*.example.test",
        "*",
        "null",
        "https://www.example.test https://example.test",
        "https://www.example.test:00",
        "https://www.example.test:99999",
    ],
    "REGISTRATION": ["invitation", "Open", "none"],
    "INVITE_CODE_PREFIX": ["a b", "é", "a=b", "12345678-", "x" * 21],
    "INVITE_CODE_LENGTH": ["7", "21", "ten"],
    "INVITE_CODE_USES": ["-1", "1000000001", "no"],
    "INVITE_CODE_DAYS": ["-1", "36501", "a week"],
    "INVITE_CODE_SOURCE": ["made", "Pool"],
    "QRCODE_PAGE": ["/pages/login/login", "pages/login/login?a=1", "页面/登录", "p" * 129, "scancode_time"],
    "QRCODE_ENV_VERSION": ["beta", "Release"],
    "QRCODE_CHECK_PATH": ["yes", "true", "2"],
    "QRCODE_WIDTH": ["279", "1281", "wide"],
    "QRCODE_LINE_COLOR": ["#ff0000", "FF0000", "red", "ff00"],
    "QRCODE_PER_USER": ["-1", "many"],
    "QRCODE_TOTAL": ["-1", "many"],
    "QRCODE_KEEP_DAYS": ["-1", "36501"],
    "PICTURE_STORE": [
        "pictures",
        "s3://",
        "s3://A_B",
        "https://bucket.example.test",
        "s3://bucket/a b",
        "s3://bucket?x",
    ],
    "WX_TOURIST_APP": ["touristappid", OTHER_APPID, "1"],
    "LOG_LEVEL": ["debug", "TRACE", "10"],
    "LOG_FORMAT": ["JSON", "xml"],
    "JWT_AUDIENCE": ["with blank", "é", "x" * 201],
}


@pytest.mark.parametrize("name, value", [(name, value) for name, values in WRONG.items() for value in values])
def test_a_wrong_value_is_refused_by_name_and_not_repeated(name: str, value: str) -> None:
    said = problems({**GOOD, name: value})
    assert len(said) == 1, said
    assert (name if name != "JWT_AUDIENCE" else "audience") in said[0]
    assert len(value) < 6 or value not in said[0]


def test_wrong_values_of_every_kind_are_said_together() -> None:
    chosen = {name: values[-1] for name, values in WRONG.items()}
    said = problems({**GOOD, **chosen})
    assert len(said) == len(chosen) == len(set(said))
    assert not any(value in line for line in said for value in chosen.values() if len(value) > 3)


def test_a_wrong_database_address_does_not_give_its_password_away() -> None:
    (said,) = problems({**GOOD, "DATABASE_URL": "postgres://authsvc:hunter2hunter2@db.example.test/authsvc"})
    assert "hunter2" not in said and "db.example.test" not in said


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8089",
        "http://localhost:8089",
        "http://[::1]:8089",
        "https://proxy.example.test/wechat/",
    ],
)
def test_wechat_may_be_reached_over_https_or_on_this_machine(url: str) -> None:
    assert settings(WX_API_BASE=url).wx_api_base == url.rstrip("/")


@pytest.mark.parametrize("scheme", ["mysql", "mariadb", "mysql+pymysql"])
def test_database_addresses_as_platforms_hand_them_out_are_understood(scheme: str) -> None:
    assert settings(DATABASE_URL=f"{scheme}://u:p@localhost/d").database_url == "mysql+pymysql://u:p@localhost/d"


@pytest.mark.parametrize("canonical, alias", [(name, alias) for name, others in ALIASES.items() for alias in others])
def test_names_that_people_already_use_are_understood(canonical: str, alias: str) -> None:
    environ = {**GOOD, alias: GOOD[canonical]}
    del environ[canonical]
    read = Settings.from_env(environ)
    assert (read.apps[0].appid, read.apps[0].secret) == (APPID, SECRET)
    assert read.aliases_used == ((canonical, alias),)


def test_the_canonical_name_wins_over_its_aliases() -> None:
    assert settings(WECHAT_APPID=OTHER_APPID).apps[0].appid == APPID
    assert settings(WECHAT_APPID=OTHER_APPID).aliases_used == ()


def test_an_empty_setting_is_no_setting() -> None:
    assert settings(WX_API_BASE="").wx_api_base == WECHAT_API
    assert problems({**GOOD, "WX_SECRET": ""}) == ["WX_SECRET is not set"]


def test_any_setting_may_come_from_a_file(tmp_path: Path) -> None:
    given = {}
    for name, value in {**GOOD, "LOG_LEVEL": "DEBUG", "JWT_ACCESS_TOKEN_EXPIRES": "600"}.items():
        (tmp_path / name).write_text(f"{value}\n")
        given[f"{name}_FILE"] = str(tmp_path / name)
    read = Settings.from_env(given)
    assert read.apps[0].secret == SECRET
    assert (read.log_level, read.access_token_lifetime) == ("DEBUG", 600)


def test_a_file_under_an_alias_is_read_too(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(SECRET)
    environ = {**GOOD, "WECHAT_SECRET_FILE": str(tmp_path / "secret")}
    del environ["WX_SECRET"]
    assert Settings.from_env(environ).apps[0].secret == SECRET


@pytest.mark.parametrize("content", [None, b"\xff\xfe\xff"], ids=["missing", "not text"])
def test_a_file_that_cannot_be_read_is_named_by_its_setting_alone(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "hidden-place"
    if content is not None:
        path.write_bytes(content)
    environ = {**GOOD, "WX_SECRET_FILE": str(path)}
    del environ["WX_SECRET"]
    said = problems(environ)
    assert said == ["WX_SECRET_FILE does not name a readable text file"]


def apps_file(tmp_path: Path, text: str) -> dict[str, str]:
    path = tmp_path / "apps.toml"
    path.write_text(text)
    kept = {name: value for name, value in GOOD.items() if not name.startswith("WX_")}
    return {**kept, "WX_APPS_FILE": str(path)}


def test_several_mini_programs_come_from_a_toml_file(tmp_path: Path) -> None:
    (tmp_path / "second").write_text(f"{SECRET[::-1]}\n")
    environ = apps_file(
        tmp_path,
        f"""
        [[app]]
        appid = "{APPID}"
        secret = "{SECRET}"

        [[app]]
        appid = "{OTHER_APPID}"
        secret_file = "{tmp_path / "second"}"
        audience = "shop"
        """,
    )
    read = Settings.from_env(environ)
    assert [(app.appid, app.secret, app.audience) for app in read.apps] == [
        (APPID, SECRET, APPID),
        (OTHER_APPID, SECRET[::-1], "shop"),
    ]
    both = Settings.from_env({**environ, "WX_APPID": "wx51a051a000000002", "WX_SECRET": SECRET})
    assert [app.appid for app in both.apps] == ["wx51a051a000000002", APPID, OTHER_APPID]


@pytest.mark.parametrize(
    "text, said",
    [
        ("app = [", "WX_APPS_FILE does not name a readable TOML file"),
        ("", "WX_APPS_FILE names an empty file"),
        ("# nothing", "WX_APPS_FILE has no [[app]] table"),
        ("app = 5", "WX_APPS_FILE has no [[app]] table"),
        ("app = [5]", "WX_APPS_FILE has no [[app]] table"),
        (f'[app]\nappid = "{APPID}"', "WX_APPS_FILE has no [[app]] table"),
        (f'[[app]]\nsecret = "{SECRET}"', "WX_APPS_FILE: [[app]] number 1: appid is not set"),
        (f'[[app]]\nappid = "{APPID}"', "WX_APPS_FILE: [[app]] number 1: secret is not set"),
        (f'[[app]]\nappid = "{APPID}"\nsecret = 5', "WX_APPS_FILE: [[app]] number 1: secret is not set"),
        (
            f'[[app]]\nappid = "{APPID}"\nsecret = "your-secret-goes-here"',
            "WX_APPS_FILE: [[app]] number 1: secret is an example or too short to be an AppSecret",
        ),
        (
            f'[[app]]\nappid = "{APPID}"\nsecret = "{SECRET}"\n' * 2,
            "WX_APPS_FILE contains an appid twice\n"
            "WX_APPS_FILE gives two apps the same audience, so each would accept the other's tokens",
        ),
        (
            f'[[app]]\nappid = "{APPID}"\nsecret = "{SECRET}"\n'
            f'[[app]]\nappid = "{OTHER_APPID}"\nsecret = "{SECRET}"\naudience = "{APPID}"',
            "WX_APPS_FILE gives two apps the same audience, so each would accept the other's tokens",
        ),
    ],
)
def test_a_wrong_apps_file_is_refused_with_the_place_of_the_fault(tmp_path: Path, text: str, said: str) -> None:
    assert problems(apps_file(tmp_path, text)) == said.splitlines()


def picture(folder: Path, form: str) -> Path:
    path = folder / f"logo.{form.lower()}"
    Image.new("RGB", (144, 144), "green").save(path, form)
    return path


@pytest.mark.parametrize(("form", "ending"), [("PNG", "png"), ("JPEG", "jpg"), ("WEBP", "webp")])
def test_a_mini_program_has_a_name_and_a_picture(tmp_path: Path, form: str, ending: str) -> None:
    path = picture(tmp_path, form)
    [app] = settings(WX_NAME="橘子商城（旗舰店）", WX_PICTURE=str(path)).apps
    assert app.name == "橘子商城（旗舰店）" and app.picture is not None
    assert app.picture.content == path.read_bytes()
    assert re.fullmatch(rf"[0-9a-f]{{32}}\.{ending}", app.picture.name)
    words = f'name = "橘子（店）"\npicture = "{path}"'
    [other] = Settings.from_env(apps_file(tmp_path, f'[[app]]\nappid = "{APPID}"\nsecret = "{SECRET}"\n{words}')).apps
    assert (other.name, other.picture) == ("橘子（店）", app.picture)
    assert [(plain.name, plain.picture) for plain in settings().apps] == [(None, None)]


def test_a_wrong_name_or_picture_is_refused(tmp_path: Path) -> None:
    assert problems({**GOOD, "WX_NAME": "x" * 61}) == ["WX_NAME has more than 60 characters"]
    assert problems({**GOOD, "WX_NAME": "a\u200bb"}) == ["WX_NAME contains an invisible character (U+200B)"]
    assert problems({**GOOD, "WX_PICTURE": "/nowhere/logo.png"}) == ["WX_PICTURE does not name a readable file"]
    whole = picture(tmp_path, "PNG").read_bytes()
    wrong = {
        "cut": whole[:-40],
        "text": b"<svg onload=alert(1)>",
        "gif": b"GIF89a" + whole,
        "empty": b"",
        "too long": whole + bytes(256 * 1024),
        "cut webp": picture(tmp_path, "WEBP").read_bytes()[:-2],
    }
    for name, content in wrong.items():
        path = tmp_path / "wrong"
        path.write_bytes(content)
        said = ["WX_PICTURE must be a whole JPEG, PNG or WebP of at most 256 KB"]
        assert problems({**GOOD, "WX_PICTURE": str(path)}) == said, name


def test_a_secret_file_that_is_missing_is_named_by_its_place(tmp_path: Path) -> None:
    said = problems(apps_file(tmp_path, f'[[app]]\nappid = "{APPID}"\nsecret_file = "/nowhere/secret"'))
    place = "WX_APPS_FILE: [[app]] number 1: "
    assert said == [f"{place}secret_file does not name a readable text file", f"{place}secret is not set"]


def test_no_secret_stands_in_the_repr(tmp_path: Path) -> None:
    secrets = {
        "WX_SECRET": SECRET,
        "SECRET_KEYS": f"{KEY},{OTHER_KEY}",
        "DATABASE_URL": "mysql://authsvc:hunter2hunter2@localhost/authsvc",
        "JWT_PRIVATE_KEY": "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEG\n-----END PRIVATE KEY-----",
        "WX_PROXY": "http://user:proxypassword@proxy.example.test:3128",
    }
    read = settings(**secrets)
    shown = f"{read!r} {read} {read.apps!r}"
    hidden = [SECRET, KEY, OTHER_KEY, "hunter2", "MIGHAg", "proxypassword", repr(read.secret_keys[0])]
    assert [secret for secret in hidden if secret in shown] == []
    # What the log must mask is the same list.
    masked = " ".join(read.secrets)
    assert [
        secret for secret in [SECRET, KEY, OTHER_KEY, "hunter2", "MIGHAg", "proxypassword"] if secret not in masked
    ] == []


def test_a_password_is_masked_in_both_its_spellings() -> None:
    read = settings(DATABASE_URL="mysql://u:p%40ss%2Fword%21@localhost/d", WX_PROXY="http://u:pr%40xy%2Fpass@h:1")
    assert {"p%40ss%2Fword%21", "p@ss/word!", "pr%40xy%2Fpass", "pr@xy/pass"} <= set(read.secrets)


def test_settings_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings().log_level = "DEBUG"  # type: ignore[misc]


PRINT_SETTINGS = """
import json
from authsvc.config import Settings
read = Settings.from_env()
print(json.dumps([read.apps[0].appid, read.log_level, read.log_format]))
"""


def test_the_environment_wins_over_the_env_file_of_the_folder(tmp_path: Path) -> None:
    stored = {**GOOD, "WX_APPID": OTHER_APPID, "LOG_LEVEL": "WARNING", "LOG_FORMAT": "text"}
    (tmp_path / ".env").write_text("".join(f"{name}={value}\n" for name, value in stored.items()))
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "LOG_LEVEL": "DEBUG"}
    done = subprocess.run(
        [sys.executable, "-c", PRINT_SETTINGS], cwd=tmp_path, env=environ, capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == [OTHER_APPID, "DEBUG", "text"]


def test_without_an_env_file_the_environment_is_enough(tmp_path: Path) -> None:
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **GOOD}
    done = subprocess.run(
        [sys.executable, "-c", PRINT_SETTINGS], cwd=tmp_path, env=environ, capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == [APPID, "INFO", "auto"]


def test_which_alias_was_used_stands_in_the_log_of_the_service(
    start_briefly: Callable[..., Service], app_secret: str
) -> None:
    service = start_briefly("alias", workers=1, settings={"WX_SECRET": "", "WECHAT_APPSECRET": app_secret})
    lines = [json.loads(line) for line in service.log.read_text().splitlines() if line.startswith("{")]
    said = [(line["level"], line["message"]) for line in lines if "WX_SECRET" in line["message"]]
    assert ("INFO", "setting WX_SECRET was read from WECHAT_APPSECRET") in said


def test_a_bucket_and_what_is_wrong_with_one() -> None:
    given = {**GOOD, "PICTURE_STORE": "s3://pictures-1250000000/authsvc/prod", "AWS_ACCESS_KEY_ID": "key"}
    place = Settings.from_env({**given, "AWS_SECRET_ACCESS_KEY": "b" * 40}).bucket
    assert place is not None
    assert (place.bucket, place.prefix, place.access_key_id) == ("pictures-1250000000", "authsvc/prod/", "key")
    assert Settings.from_env({**GOOD, "PICTURE_STORE": "s3://pictures"}).bucket is not None
    assert "b" * 40 in Settings.from_env({**given, "AWS_SECRET_ACCESS_KEY": "b" * 40}).secrets
    assert "b" * 40 not in repr(place)
    (said,) = problems(given)
    assert "AWS_SECRET_ACCESS_KEY" in said
    (said,) = problems({**GOOD, "PICTURE_STORE": "s3://pictures", "AWS_ENDPOINT_URL_S3": "cos.example.test"})
    assert "AWS_ENDPOINT_URL_S3" in said
    # Other programs' keys in the environment are nobody's business without a bucket.
    assert Settings.from_env({**GOOD, "AWS_ACCESS_KEY_ID": "key"}).bucket is None


@pytest.mark.parametrize(
    ("misspelt", "meant"),
    [
        ("REGISTRATON", "REGISTRATION"),
        ("REGISTRATIONS", "REGISTRATION"),
        ("REDIS_URI", "REDIS_URL"),
        ("RATE_LIMIT_LOGINS", "RATE_LIMIT_LOGIN"),
        ("TRUSTED_PROXY", "TRUSTED_PROXIES"),
        ("SESSION_PER_USER", "SESSIONS_PER_USER"),
        ("JWT_PRIVATE_KEYFILE", "JWT_PRIVATE_KEY_FILE"),
        ("ACCOUNT_COOLINGOFF_DAYS", "ACCOUNT_COOLING_OFF_DAYS"),
    ],
)
def test_a_misspelt_setting_is_refused_with_the_nearest_name(misspelt: str, meant: str) -> None:
    """Its value is not repeated: it may be a secret."""
    assert problems({**GOOD, misspelt: "closed"}) == [f"{misspelt} is not a setting: did you mean {meant}?"]


def test_a_misspelt_setting_that_is_missing_is_both() -> None:
    given = {name: value for name, value in GOOD.items() if name != "SECRET_KEYS"}
    found = problems({**given, "SECRET_KEY": KEY})
    assert "SECRET_KEY is not a setting: did you mean SECRET_KEYS?" in found
    assert any(problem.startswith("SECRET_KEYS is not set") for problem in found)


@pytest.mark.parametrize(
    "name",
    [
        "HOSTNAME",
        "HOST",
        "PATH",
        "DATABASE_HOST",
        "REDIS_PORT",
        "REDIS_HOST",
        "KUBERNETES_SERVICE_PORT",
        "LANG",
        "POD_IP",
    ],
)
def test_what_belongs_to_others_is_none_of_ours(name: str) -> None:
    assert settings(**{name: "x"}).apps


def test_a_name_like_a_setting_that_is_set_belongs_to_others() -> None:
    assert settings(REDIS_URI="redis://elsewhere", REDIS_URL="redis://127.0.0.1:6379/0").redis_url


def test_no_setting_of_ours_is_taken_for_another() -> None:
    lines = (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
    names = {line.lstrip("# ").partition("=")[0] for line in lines if "=" in line}
    ours = {name for name in names if name.isupper() and " " not in name}
    assert len(ours) > 60
    for name in ours:
        try:
            settings(**{name: "x"})
        except BadSettings as refused:
            assert "is not a setting" not in str(refused), name
