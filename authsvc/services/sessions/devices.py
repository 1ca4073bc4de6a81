"""Describes a browser by its User-Agent, for people. It may be false, because nobody can check a User-Agent."""

import re

# WeChat's form: MicroMessenger/8.0.43.2460(0x28002B3D) ... NetType/WIFI
_PASSING = re.compile(r"NetType/[A-Za-z0-9]+|(?<=MicroMessenger/)[0-9.]+(?:\(0x[0-9A-Fa-f]+\))?")

# The first match counts, because newer browsers name their ancestors too.
_BROWSERS = (
    ("MicroMessenger", "WeChat"),
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
_SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("HarmonyOS", "HarmonyOS"),
    ("OpenHarmony", "HarmonyOS"),
    ("Android", "Android"),
    ("Windows NT", "Windows"),
    ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)


def describe(user_agent: str) -> str:
    """Return, for example, "Chrome · Windows"; empty if neither is a common one."""
    names = (_first(_BROWSERS, user_agent), _first(_SYSTEMS, user_agent))
    return " · ".join(name for name in names if name)


def identity(user_agent: str) -> str:
    """Return the part of a User-Agent that does not change with the network or a WeChat update."""
    return _PASSING.sub("", user_agent)


def _first(known: tuple[tuple[str, str], ...], user_agent: str) -> str:
    return next((name for mark, name in known if mark in user_agent), "")
