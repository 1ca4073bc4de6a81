"""The settings of mini programs: one in ``WX_…``, several in the TOML file that ``WX_APPS_FILE`` names."""

import base64
import re
import tomllib
from collections.abc import Iterator, Mapping

from authsvc.config import claims, pictures, texts
from authsvc.config.source import Source
from authsvc.values.wechat import APPID, MiniProgram, PushSecrets

_APPID = re.compile(rf"{APPID}\Z")
_AUDIENCE = re.compile(r"[\x21-\x7e]{1,200}\Z")
_PLACEHOLDER = re.compile(r"(your|change|replace|example|secret|test|demo|xxx|todo|<|\*|0+\Z)", re.IGNORECASE)
_PUSH_TOKEN = re.compile(r"[A-Za-z0-9]{3,32}\Z")
_AES_KEY = re.compile(r"[A-Za-z0-9+/]{43}\Z")
# The fields of an app, and their settings if there is only one app.
_FIELDS = {
    "appid": "WX_APPID",
    "secret": "WX_SECRET",
    "audience": "JWT_AUDIENCE",
    "push_token": "WX_PUSH_TOKEN",
    "push_aes_keys": "WX_PUSH_AES_KEYS",
    "name": "WX_NAME",
    "picture": "WX_PICTURE",
    "claims": "JWT_CLAIMS",
}
_FREE = {"name", "picture"}
# WeChat's own names have 4 to 30.
_NAME_CHARACTERS = 60


def read(source: Source) -> tuple[MiniProgram, ...]:
    """Return the mini programs, the default one first: WX_APPID, or the first of WX_APPS_FILE."""
    apps: list[MiniProgram] = []
    values = {field: source.text(name) for field, name in _FIELDS.items()}
    path = source.text("WX_APPS_FILE")
    if values["appid"] is not None or path is None:
        apps += _app(source, _FIELDS, values)
    if path is not None:
        apps += _from_file(source, path)
    if len({app.appid for app in apps}) < len(apps):
        source.complain("WX_APPS_FILE contains an appid twice")
    if len({app.audience for app in apps}) < len(apps):
        source.complain("WX_APPS_FILE gives two apps the same audience, so each would accept the other's tokens")
    return tuple(apps)


def tourist(source: Source, apps: tuple[MiniProgram, ...]) -> str | None:
    """Return the appid that stands for developer tools without an AppID."""
    appid = source.text("WX_TOURIST_APP")
    if appid is not None and appid not in {app.appid for app in apps}:
        source.complain("WX_TOURIST_APP is not the AppID of a configured mini program")
    return appid


def _from_file(source: Source, path: str) -> list[MiniProgram]:
    text = source.content(path, "WX_APPS_FILE")
    if text is None:
        return []
    try:
        entries = tomllib.loads(text).get("app", [])
    except tomllib.TOMLDecodeError:
        source.complain("WX_APPS_FILE does not name a readable TOML file")
        return []
    if not isinstance(entries, list) or not entries or not all(isinstance(entry, dict) for entry in entries):
        source.complain("WX_APPS_FILE has no [[app]] table")
        return []
    apps: list[MiniProgram] = []
    for number, entry in enumerate(entries, start=1):
        place = f"WX_APPS_FILE: [[app]] number {number}"
        names = {field: f"{place}: {field}" for field in _FIELDS}
        apps += _app(source, names, {field: _text(source, place, entry, field) for field in _FIELDS})
    return apps


def _text(source: Source, place: str, entry: Mapping[str, object], field: str) -> str | None:
    """Return the text of a field, or of the file that ``field_file`` names."""
    value, path = entry.get(field), entry.get(f"{field}_file")
    if isinstance(value, str) and (found := texts.trimmed(value)):
        source.check(f"{place}: {field}", found, is_free=field in _FREE)
        return found
    if not isinstance(path, str):
        return None
    found_there = source.content(texts.trimmed(path), f"{place}: {field}_file")
    if found_there is not None:
        source.check(f"{place}: {field}", found_there, is_free=field in _FREE)
    return found_there


def _app(source: Source, names: Mapping[str, str], values: Mapping[str, str | None]) -> list[MiniProgram]:
    """Return the app with these values; if they are not valid, note the problems and return none."""
    problems = []
    appid, secret, audience = values["appid"], values["secret"], values["audience"]
    if not appid:
        problems.append(f"{names['appid']} is not set")
    elif not _APPID.match(appid):
        problems.append(f"{names['appid']} is not an AppID (wx and 16 lowercase hex digits)")
    if not secret:
        problems.append(f"{names['secret']} is not set")
    elif len(secret) < 16 or _PLACEHOLDER.match(secret):
        problems.append(f"{names['secret']} is an example or too short to be an AppSecret")
    problems += _faults_of_words(names, values)
    push = _push(names, values["push_token"], values["push_aes_keys"], problems)
    rules = claims.rules(values["claims"], names["claims"], problems)
    picture = pictures.of_app(source, names["picture"], values["picture"])
    for problem in problems:
        source.complain(problem)
    if problems or not appid or not secret:
        return []
    return [MiniProgram(appid, secret, audience or appid, push, values["name"], picture, rules)]


def _faults_of_words(names: Mapping[str, str], values: Mapping[str, str | None]) -> Iterator[str]:
    if values["audience"] and not _AUDIENCE.match(values["audience"]):
        yield f"{names['appid']}: its audience must be 1 to 200 visible ASCII characters"
    if len(values["name"] or "") > _NAME_CHARACTERS:
        yield f"{names['name']} has more than {_NAME_CHARACTERS} characters"


def _push(names: Mapping[str, str], token: str | None, keys: str | None, problems: list[str]) -> PushSecrets | None:
    """Read the token and the EncodingAESKeys, the current one first."""
    texts = [key.strip() for key in (keys or "").split(",") if key.strip()]
    if token is None:
        if texts:
            problems.append(f"{names['push_aes_keys']} is set without {names['push_token']}")
        return None
    if not _PUSH_TOKEN.match(token):
        problems.append(f"{names['push_token']} must be 3 to 32 letters and digits")
    if not all(_AES_KEY.match(text) for text in texts):
        problems.append(f"{names['push_aes_keys']} contains a key that is not 43 letters and digits")
        return None
    # The last character may carry bits beyond the last byte, as in WeChat's own examples.
    return PushSecrets(token, tuple(base64.b64decode(f"{text}=") for text in texts))
