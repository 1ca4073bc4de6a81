"""JWT_CLAIMS: what it may say, and that nothing starts with what it may not."""

import base64
import secrets
from pathlib import Path

import pytest

from authsvc.config import BadSettings, Settings
from authsvc.values.claims import ClaimRule

GOOD = {
    "WX_APPID": "wx0123456789abcdef",
    "WX_SECRET": secrets.token_hex(16),
    "PUBLIC_BASE_URL": "https://login.example.test",
    "SECRET_KEYS": base64.urlsafe_b64encode(bytes(range(32))).decode(),
}


def said(text: str) -> str:
    with pytest.raises(BadSettings) as refused:
        Settings.from_env({**GOOD, "JWT_CLAIMS": text})
    (line,) = str(refused.value).splitlines()
    assert line.startswith("JWT_CLAIMS ")
    return line


def test_a_rule_is_a_name_and_a_source_or_a_source_alone() -> None:
    text = " is_new=new_user:7d,new_user , has_phone, c = invite_campaign,roles"
    read = Settings.from_env({**GOOD, "JWT_CLAIMS": text})
    assert read.apps[0].claims == (
        ClaimRule("is_new", "new_user", 7),
        ClaimRule("new_user", "new_user"),
        ClaimRule("has_phone", "has_phone"),
        ClaimRule("c", "invite_campaign"),
        ClaimRule("roles", "roles"),
    )
    assert Settings.from_env({**GOOD, "JWT_CLAIMS": "new_user:30d"}).apps[0].claims[0].name == "new_user"
    assert Settings.from_env(GOOD).apps[0].claims == ()


@pytest.mark.parametrize("name", ["iss", "sub", "aud", "exp", "nbf", "jti", "sid", "appid", "openid", "scope", "amr"])
def test_a_reserved_name_is_refused_at_start(name: str) -> None:
    assert f"must not set {name}: reserved" in said(f"has_phone, {name}=roles")


@pytest.mark.parametrize(
    "text, words",
    [
        ("gender", "sources are"),
        ("a=new_user:0d", "sources are"),
        ("a=new_user:7", "sources are"),
        ("a=new_user:99999d", "sources are"),
        ("=roles", "beginning with a letter"),
        ("Roles=roles", "beginning with a letter"),
        ("a-b=roles", "beginning with a letter"),
        (f"{'a' * 33}=roles", "beginning with a letter"),
        ("a=roles,a=has_phone", "a claim twice"),
        ("a=roles,b=roles", "a source twice"),
        (",".join(f"n{days}=new_user:{days}d" for days in range(1, 10)), "more than 8"),
    ],
)
def test_another_fault_is_said_without_the_value(text: str, words: str) -> None:
    line = said(text)
    assert words in line and text not in line


def test_each_app_of_a_file_has_its_own(tmp_path: Path) -> None:
    app = '[[app]]\nappid = "{}"\nsecret = "{}"\n'
    path = tmp_path / "apps.toml"
    settings = {name: GOOD[name] for name in ("PUBLIC_BASE_URL", "SECRET_KEYS")} | {"WX_APPS_FILE": str(path)}
    first, second = (app.format(f"wx{number:016x}", secrets.token_hex(16)) for number in (1, 2))
    path.write_text(f'{first}claims = "vip=roles"\n{second}')
    assert [app.claims for app in Settings.from_env(settings).apps] == [(ClaimRule("vip", "roles"),), ()]
    path.write_text(f'{first}{second}claims = "sub=roles"\n')
    with pytest.raises(BadSettings, match=r"\[\[app\]\] number 2: claims must not set sub"):
        Settings.from_env(settings)
