"""Where settings are read from: one mapping, with aliases and files that contain secrets."""

import io
import os
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from dotenv import dotenv_values
from dotenv.parser import parse_stream

from authsvc.config import texts
from authsvc.values.operator import Refused

# Names that people already use in their environments. The first one found wins.
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
# In the working directory.
ENV_FILE = Path(".env")
# Settings whose values are paths or names, which may contain any visible character.
_FREE = {"INSTANCE_PATH", "WX_APPS_FILE", "WX_CA_FILE", "WX_NAME", "WX_PICTURE"}
_LINES = {"JWT_PRIVATE_KEY"}
# First words of names that other programs use as well.
_SHARED_FAMILIES = {"ACCESS", "AWS", "DATABASE", "LOG", "LOGIN", "MYSQL", "REDIS", "S3", "SECRET", "WEB"}
# How alike two names must be (difflib's ratio) for one to be a misspelling of the other, and how long.
_ALIKE = 0.85
_LEAST_LETTERS = 6


class BadSettings(Refused):
    """The service must not start. The text has one line per problem, with names and without values."""


def variables() -> dict[str, str]:
    """Return the variables of ``.env`` in the working directory, overridden by the process environment.

    Raises BadSettings for a ``.env`` that cannot be read, or that has a line without NAME=value.
    """
    return {name: texts.trimmed(value) for name, value in {**stored(), **os.environ}.items()}


def stored(path: Path = ENV_FILE) -> dict[str, str]:
    """Return the variables of a ``.env``, none if it is missing. Raises BadSettings for one that cannot be read."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        fault = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise BadSettings(f"{path} is not a readable text file ({fault})") from None
    if wrong := [str(line.original.line) for line in parse_stream(io.StringIO(text)) if line.error]:
        raise BadSettings(f"{path} cannot be read as NAME=value in line {', '.join(wrong)}")
    return {name: value for name, value in dotenv_values(stream=io.StringIO(text)).items() if value is not None}


class Source:
    """One mapping with aliases and ``NAME_FILE`` resolved; collects all problems as sentences."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        trimmed = {name: texts.trimmed(value) for name, value in environ.items()}
        self._values_given = {name: value for name, value in trimmed.items() if value != ""}
        self.problems: list[str] = []
        self.aliases_used: dict[str, str] = {}
        self._unreadable: set[str] = set()
        self._known: set[str] = set()

    def names(self) -> set[str]:
        """Return the names of the settings that have a value, of those that were asked for."""
        return set(self._values_given) & self._known

    def complain_of_misspellings(self) -> None:
        """Note a problem for each name that is no setting but nearly one that was asked for and is not set.

        A misspelt setting would silently leave its default in force, such as a registration that stays open. What is
        like no setting belongs to other programs.
        """
        unset = sorted(self._known - set(self._values_given))
        for name in sorted(set(self._values_given) - self._known):
            nearest = get_close_matches(name, unset, n=1, cutoff=_ALIKE) if len(name) >= _LEAST_LETTERS else []
            if nearest:
                self.complain(f"{name} is not a setting: did you mean {nearest[0]}?")

    def strangers(self) -> list[str]:
        """Return the names that begin like one of authsvc's settings and are none; all settings have been asked for."""
        families = {name.partition("_")[0] for name in self._known if "_" in name} - _SHARED_FAMILIES
        return sorted(
            name for name in set(self._values_given) - self._known if "_" in name and name.partition("_")[0] in families
        )

    def files(self) -> dict[str, Path]:
        """Return the files that ``NAME_FILE`` settings name, by those names."""
        named = sorted(name for name in self._known & self._values_given.keys() if name.endswith("_FILE"))
        return {name: Path(self._values_given[name]).absolute() for name in named}

    def complain(self, problem: str) -> None:
        """Note a problem once, unless it only results from a value that cannot be read."""
        if problem not in self.problems and problem.partition(" ")[0] not in self._unreadable:
            self.problems.append(problem)

    def _get_value(self, env_key: str, default: Any) -> Any:
        names = (env_key, *ALIASES.get(env_key, ()))
        self._known.update(names, (f"{name}_FILE" for name in names))
        for name in names:
            value = self._given(name)
            if value is not None:
                if name != env_key:
                    self.aliases_used[env_key] = name
                return value
        return default

    def _given(self, name: str) -> str | None:
        path = self._values_given.get(f"{name}_FILE")
        value = self._values_given.get(name) if path is None else self.content(path, f"{name}_FILE")
        if value is not None:
            self.check(name, value, lines=name in _LINES, is_free=name in _FREE)
        return value

    def content(self, path: str, place: str) -> str | None:
        """Return the text of the file that ``place`` names; notes a problem if it cannot be read or is empty."""
        self.check(place, path, is_free=True)
        try:
            text = texts.read(Path(path))
        except texts.Unreadable:
            self._cannot_read(place, "does not name a readable text file")
            return None
        if text == "":
            self._cannot_read(place, "names an empty file")
            return None
        return text

    def _cannot_read(self, place: str, fault: str) -> None:
        self.complain(f"{place} {fault}")
        self._unreadable.add(place.removesuffix("_FILE"))

    def check(self, name: str, value: str, *, lines: bool = False, is_free: bool = False) -> None:
        """Note a problem for characters that no value may contain."""
        if fault := texts.fault(value, lines=lines, is_free=is_free):
            self.complain(f"{name} {fault}")
            self._unreadable.add(name)

    def file(self, name: str) -> Path | None:
        """Return the file that the value comes from, if there is one."""
        self._known.add(f"{name}_FILE")
        path = self._values_given.get(f"{name}_FILE")
        return Path(path).absolute() if path else None

    def text(self, name: str, default: str | None = None) -> str | None:
        """Return a text, or the default if it is absent."""
        value = self._get_value(name, default)
        return value if value is None else str(value)

    def number(self, name: str, default: int, low: int, high: int) -> int:
        """Return a whole number within [low, high], or the default if it is absent or wrong (and note a problem)."""
        given = self._get_value(name, default)
        if isinstance(given, int):
            return given
        # Only digits: int() would accept 1_000, +5 and the digits of other scripts.
        if not (given.isascii() and given.isdigit() and len(given) < 20 and low <= int(given) <= high):
            self.complain(f"{name} must be a whole number from {low} to {high}")
            return default
        return int(given)


def choice(source: Source, name: str, default: str, allowed: tuple[str, ...]) -> str:
    """Return one of the allowed words; notes a problem for any other."""
    value = source.text(name, default) or default
    if value not in allowed:
        source.complain(f"{name} must be one of {', '.join(allowed)}")
    return value
