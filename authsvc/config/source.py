"""Where settings are read from: one mapping, with other names that are in use and with files that hold secrets."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import environs
from dotenv import dotenv_values

# Names that people already have in their environments. The first one found wins.
ALIASES: dict[str, tuple[str, ...]] = {
    "WX_APPID": ("WX_APP_ID", "WECHAT_APPID", "WECHAT_APP_ID", "WECHAT_MINI_APPID"),
    "WX_SECRET": (
        "WX_APPSECRET",
        "WX_APP_SECRET",
        "WECHAT_SECRET",
        "WECHAT_APPSECRET",
        "WECHAT_APP_SECRET",
        "WECHAT_MINI_SECRET",
    ),
}


def variables() -> dict[str, str]:
    """Return what ``.env`` in the working directory says, and over it the environment of the process."""
    stored = {name: value for name, value in dotenv_values(".env").items() if value is not None}
    return {**stored, **os.environ}


class Source(environs.Env):
    """One mapping with aliases and ``NAME_FILE`` resolved; problems of every kind gathered as sentences."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        super().__init__(eager=False)
        self._values_given = {name: value for name, value in environ.items() if value != ""}
        self.problems: list[str] = []
        self.aliases_used: dict[str, str] = {}

    def _get_value(self, env_key: str, default: Any) -> Any:
        for name in (env_key, *ALIASES.get(env_key, ())):
            value = self._given(name)
            if value is not None:
                if name != env_key:
                    self.aliases_used[env_key] = name
                return value
        return default

    def _given(self, name: str) -> str | None:
        if path := self._values_given.get(f"{name}_FILE"):
            try:
                return Path(path).read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError):
                self.problems.append(f"{name}_FILE does not name a readable text file")
                return None
        return self._values_given.get(name)

    def file(self, name: str) -> Path | None:
        """The file that the value comes from, if it comes from one."""
        path = self._values_given.get(f"{name}_FILE")
        return Path(path).absolute() if path else None

    def text(self, name: str, default: str | None = None) -> str | None:
        """A text; the default when it is absent."""
        value = self._get_value(name, default)
        return value if value is None else str(value)

    def number(self, name: str, default: int, low: int, high: int) -> int:
        """A whole number within [low, high]; the default when it is absent or wrong (then a problem is noted)."""
        limits = environs.validate.Range(low, high)
        value = self.int(name, default, validate=limits)
        return value if isinstance(value, int) else default

    def gather(self) -> None:
        """Add what environs found wrong."""
        try:
            self.seal()
        except environs.EnvValidationError as invalid:
            for name, reasons in cast(Mapping[str, list[str]], invalid.error_messages).items():
                self.problems.append(f"{name}: {' '.join(map(str, reasons))}")


def choice(source: Source, name: str, default: str, allowed: tuple[str, ...]) -> str:
    """Return one of a few words; notes a problem for any other."""
    value = source.text(name, default) or default
    if value not in allowed:
        source.problems.append(f"{name} must be one of {', '.join(allowed)}")
    return value
