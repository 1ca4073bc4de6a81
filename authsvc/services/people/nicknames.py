"""The rules for nicknames: any text, except characters that do harm where a name is shown.

No rule depends on which characters the interpreter knows: new emoji and ideographs come every year, and names must not
depend on the Python version. Limits count code points, as the column does.
"""

import logging
import re
import unicodedata
from typing import Literal

logger = logging.getLogger(__name__)

MAX_CHARACTERS = 64
# Since late 2022 WeChat gives every mini program this nickname instead of the real one (WeChat notice
# 小程序用户头像昵称获取规则调整公告); it is nobody's name and must not overwrite what the person has filled in.
PLACEHOLDER = "微信用户"

Fault = Literal["characters", "empty", "placeholder", "too_long"]

# Controls and line separators start unwanted lines; embeddings, overrides and isolates (Unicode UAX #9) reverse the
# text after a name; lone surrogates and noncharacters (Unicode 16 §23.7) are not text at all.
_HARMFUL = re.compile(
    "[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufdd0-\ufdef"
    + "".join(chr(plane * 0x10000 + last) for plane in range(17) for last in (0xFFFE, 0xFFFF))
    + "]"
)
# Letters and symbols that draw nothing: Hangul fillers, the blank of Braille, variation selectors.
_BLANK = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]")
_BLANK_CATEGORIES = {"Cc", "Cf", "Zl", "Zp", "Zs"}
_JOINER = "\u200d"
# What belongs to the previous character: skin tones, the letters of regional flags, and marks.
_EXTENDS = re.compile("[\u200d\ufe00-\ufe0f\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f\U000e0100-\U000e01ef]")
_MARKS = {"Mn", "Me", "Mc"}


def fault(text: str) -> Fault | None:
    """Return why this text cannot be a nickname, or None if it can be stored as typed."""
    if _HARMFUL.search(text):
        return "characters"
    if len(text) > MAX_CHARACTERS:
        return "too_long"
    if text.strip() == PLACEHOLDER:
        return "placeholder"
    return None if _shows(text) else "empty"


def usable(value: object) -> str | None:
    """Return the usable part of a name that comes with a login, or None, because a login must not fail for a name.

    Harmful characters are removed, and a long name is cut at 64 code points, never inside one displayed character. The
    log records that something was removed, without the name.
    """
    if not isinstance(value, str):
        return None
    kept = _cut(_HARMFUL.sub("", value))
    if kept != value:
        logger.info("a name that came with a login was changed: %d of %d characters kept", len(kept), len(value))
    return kept if fault(kept) is None else None


def _shows(text: str) -> bool:
    return any(
        unicodedata.category(character) not in _BLANK_CATEGORIES and not _BLANK.match(character) for character in text
    )


def _cut(text: str) -> str:
    end = min(len(text), MAX_CHARACTERS)
    while 0 < end < len(text) and _joined(text, end):
        end -= 1
    # A displayed character of more than 64 code points is cut anyway.
    return text[: end or MAX_CHARACTERS]


def _joined(text: str, place: int) -> bool:
    """True if a cut before this place would split one displayed character."""
    follows = text[place]
    return text[place - 1] == _JOINER or _EXTENDS.match(follows) is not None or unicodedata.category(follows) in _MARKS
