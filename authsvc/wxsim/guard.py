"""Keeps the simulator away from production: which AppIDs it serves, and where it does not start."""

import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from dotenv import dotenv_values

# Eight fixed digits of sixteen: one real AppID in four billion begins like this.
SIMULATED_PREFIX = "wx51a051a0"

# AppIDs in WeChat's own documentation: the encryptedData sample, the message push example, the WXBizMsgCrypt sample
# code, the API signature guide. They have public keys or no secret at all, and test vectors need them.
DOCUMENTED_APPIDS = frozenset({"wx4f4bc4dec97d474b", "wxba5fad812f8e6fb9", "wxb11529c136998cb6", "wxba6223c06417af7b"})

APPID_NAMES = ("WX_APPID", "WX_APP_ID", "WECHAT_APPID", "WECHAT_APP_ID", "WEIXIN_APPID", "WXA_APPID")
API_BASE_NAMES = ("WX_API_BASE", "WECHAT_API_BASE")
APPS_FILE_NAME = "WX_APPS_FILE"

_APPID = re.compile(r"wx[0-9a-f]{16}")


class RefusedAppId(ValueError):
    """The AppID could be a real one, which the simulator does not serve."""


class ProductionNearby(RuntimeError):
    """The environment is configured for the real WeChat."""


def is_simulated(appid: str) -> bool:
    """Whether no customer can have this ``appid``."""
    if appid in DOCUMENTED_APPIDS:
        return True
    return bool(_APPID.fullmatch(appid)) and appid.startswith(SIMULATED_PREFIX)


def require_simulated(appid: str) -> None:
    """Raise RefusedAppId unless ``appid`` is simulated or documented."""
    if not is_simulated(appid):
        raise RefusedAppId(
            f"{appid!r} is not a simulated AppID: use {SIMULATED_PREFIX} and 8 more lowercase hex digits, "
            "or one of WeChat's documented samples"
        )


def read_environment(env: Mapping[str, str], env_file: Path) -> dict[str, str]:
    """Join ``.env`` and the environment as authsvc does: the environment wins."""
    from_file = dotenv_values(env_file) if env_file.is_file() else {}
    return {**{name: value for name, value in from_file.items() if value is not None}, **env}


def require_no_production(env: Mapping[str, str], folder: Path) -> None:
    """Raise ProductionNearby if ``env`` (see ``read_environment``) is configured for the real WeChat.

    A relative ``WX_APPS_FILE`` is read from ``folder``. The message names the variables, never a secret.
    """
    if not _talks_to_wechat(env):
        return
    for name, appid in _configured_appids(env, folder):
        if not is_simulated(appid):
            raise ProductionNearby(
                f"{name} holds {appid}, and {API_BASE_NAMES[0]} is unset or points at WeChat: this looks "
                "like production. Start the simulator elsewhere, or set "
                f"{API_BASE_NAMES[0]} to the simulator's address."
            )


def _talks_to_wechat(env: Mapping[str, str]) -> bool:
    base = next((env[name].strip() for name in API_BASE_NAMES if env.get(name, "").strip()), "")
    host = urlsplit(base if "//" in base else f"//{base}").hostname or ""
    # WeChat also answers at api2., sh.api. and sz.api.weixin.qq.com.
    return not host or host == "weixin.qq.com" or host.endswith(".weixin.qq.com")


def _configured_appids(env: Mapping[str, str], folder: Path) -> list[tuple[str, str]]:
    found = [(name, env[name].strip()) for name in APPID_NAMES if env.get(name, "").strip()]
    apps_file = env.get(APPS_FILE_NAME, "").strip()
    if apps_file and (path := folder / apps_file).is_file():
        # Only authsvc knows the form of the file, but AppIDs are recognisable in any form.
        found += [(APPS_FILE_NAME, appid) for appid in _APPID.findall(path.read_text(encoding="utf-8"))]
    return found
