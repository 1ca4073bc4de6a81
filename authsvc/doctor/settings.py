"""The settings: all problems at once, names that are no setting, and what is meant for practice only."""

import os
from collections.abc import Iterator
from pathlib import Path

from authsvc.config import WECHAT_API
from authsvc.doctor.case import Case
from authsvc.doctor.findings import COMMAND, Line, ok, warning, wrong

# AppIDs that only the simulator in this package knows, and those in WeChat's own documentation.
_PRACTICE_PREFIX = "wx51a051a0"
_PRACTICE = {"wx4f4bc4dec97d474b", "wxba5fad812f8e6fb9", "wxb11529c136998cb6", "wxba6223c06417af7b"}


def valid(case: Case) -> Iterator[Line]:
    """Yield every problem."""
    for problem in case.problems:
        yield wrong(problem, _remedy(problem))
    if not case.problems:
        apps = case.settings.apps
        yield ok(f"the settings are valid, for {len(apps)} mini program{'s' if len(apps) > 1 else ''}")


def _remedy(problem: str) -> str:
    env_file = Path(".env").absolute()
    if "SECRET_KEYS is not set" in problem:
        return f"run: {COMMAND} init"
    if " is not set" in problem and not env_file.exists():
        return (
            f"run: {COMMAND} init, which creates {env_file}; or change to the folder that has the .env of the service"
        )
    place = f"in {env_file} or in the environment" if env_file.exists() else "in the environment"
    return f"correct it {place}; .env.example has the meaning and the default"


def unknown(case: Case) -> Iterator[Line]:
    """Yield the names that begin like a setting and are none."""
    strangers = case.source.strangers()
    if strangers:
        yield warning(
            f"not settings of authsvc, and ignored: {', '.join(strangers)}",
            "remove them, or compare their spelling with .env.example",
        )
    else:
        yield ok("no name looks like a misspelt setting")


def practice(case: Case) -> Iterator[Line]:
    """Yield what is meant for development."""
    settings = case.settings
    if settings.wx_api_base != WECHAT_API:
        yield warning(
            f"WX_API_BASE is not WeChat: calls go to {settings.wx_api_base}, which may let anybody in",
            "remove WX_API_BASE for production",
        )
    found = [app.appid for app in settings.apps if app.appid in _PRACTICE or app.appid.startswith(_PRACTICE_PREFIX)]
    if found:
        yield warning(
            f"an AppID for practice, which no real mini program has: {', '.join(found)}",
            "for production, set WX_APPID and WX_SECRET from mp.weixin.qq.com",
        )
    if not settings.public_base_url.startswith("https:"):
        yield warning(
            f"PUBLIC_BASE_URL is not https ({settings.public_base_url}); phones refuse that outside of developer tools",
            "for production, set it to the https address",
        )
    if settings.wx_api_base == WECHAT_API and not found and settings.public_base_url.startswith("https:"):
        yield ok("nothing is set for development")


def runs_as(case: Case) -> Iterator[Line]:
    """Yield whether the doctor runs as the user whose files the service uses."""
    if case.is_owner:
        yield ok(f"runs as the owner of the instance folder (user id {os.geteuid()})")
        return
    yield warning(
        f"runs as user id {os.geteuid()}, but user id {case.owner} owns the instance folder; what concerns files and"
        " SQLite holds only for that user",
        "run it as the user of the service, such as: sudo -u authsvc",
    )
