"""How the pages of the console write times, which are those of China, lengths of time, and devices."""

import re
import time

from authsvc.clock import CHINA, DAY, HOUR

_MINUTE = 60
# From so many of a unit on, a length of time is written in it: 119 seconds, but 2 minutes.
_UNITS = (("days_long", DAY), ("hours", HOUR), ("minutes", _MINUTE))
# What a User-Agent says about the device, and how that is written.
_SYSTEMS = (
    (re.compile(r"\biPhone OS (\d{1,3})_(\d{1,3})"), r"iPhone, iOS \1.\2"),
    (re.compile(r"\biPad; CPU OS (\d{1,3})_(\d{1,3})"), r"iPad, iPadOS \1.\2"),
    (re.compile(r"\bAndroid (\d{1,3})[.\d]{0,9}; ([^;)]{1,40}?)(?: Build/[^;)]{0,60})?[;)]"), r"\2, Android \1"),
    (re.compile(r"\b(?:OpenHarmony|HarmonyOS)[ /]?([\d.]{0,12})"), r"HarmonyOS \1"),
    (re.compile(r"\bWindows NT\b"), "Windows"),
    (re.compile(r"\bMacintosh\b"), "macOS"),
)
_WECHAT = re.compile(r"\bMicroMessenger/(\d{1,3}(?:\.\d{1,3}){0,2})")
_DEVICE_CHARACTERS = 60


def moment(seconds: int | None) -> str:
    """Return a time (seconds UTC) as China's clocks show it, or an empty text for none."""
    return "" if not seconds else time.strftime("%Y-%m-%d %H:%M", time.gmtime(seconds + CHINA))


def machine_moment(seconds: int) -> str:
    """Return the same time for programs."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def day(days: int) -> str:
    """Return the month and day of a day since 1970."""
    return time.strftime("%m-%d", time.gmtime(days * DAY))


def hour(seconds: int) -> str:
    """Return the hour of China's clocks that begins at this time (seconds UTC)."""
    return time.strftime("%H:00", time.gmtime(seconds + CHINA))


def length(seconds: int | None, words: dict[str, str]) -> str:
    """Return a length of time in its largest unit of which there are two, in the words of a page."""
    if seconds is None:
        return words["unknown"]
    for name, unit in _UNITS:
        if seconds >= 2 * unit:
            return words[name].format(n=seconds // unit)
    return words["seconds"].format(n=max(0, seconds))


def device(agent: str, words: dict[str, str]) -> str:
    """Return what a User-Agent says about device and WeChat; its beginning if it says neither."""
    system = next((match.expand(text) for pattern, text in _SYSTEMS if (match := pattern.search(agent))), "")
    version = _WECHAT.search(agent)
    wechat = words["in_wechat"].format(version=version[1]) if version else ""
    return " · ".join(filter(None, (system.strip(), wechat))) or agent[:_DEVICE_CHARACTERS]
