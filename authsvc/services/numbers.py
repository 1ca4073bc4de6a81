"""One form per phone number: country code and national digits.

A number that WeChat has verified, and billed, is valid, whatever a library says: if the library knows a usual form, it
is used; otherwise the digits stay as they are. Numbering plans change faster than a library, and WeChat splits numbers
in its own way (1876 and 5551234 for +1 876 555 1234). So only the whole number counts, and the end of its country code
is looked up. Numbers that people type in must follow the library's rules.
"""

import re
from collections.abc import Mapping
from typing import Any

import phonenumbers

from authsvc.errors import DataRejected, WeChatBadAnswer
from authsvc.values.people import PhoneNumber
from authsvc.values.wechat import WeChatPhone

_MAINLAND = "86"
# No calling code is a prefix of another (ITU-T E.164), so a whole number determines its calling code.
_CALLING_CODES = frozenset(map(str, phonenumbers.COUNTRY_CODE_TO_REGION_CODE))
_LONGEST_CALLING_CODE = 3
# + or zeros in front of a country code, and separators between digits.
_CODE = re.compile(r"[+0]* {0,3}([1-9][0-9]{0,7})\Z", re.ASCII)
_SEPARATORS = str.maketrans("", "", " -.()")
# The shortest numbers have four digits (Saint Helena, +290); at most twenty are stored.
_NATIONAL = re.compile(r"[0-9]{4,20}\Z", re.ASCII)
_MOST_CHARS = 40


def from_wechat(payload: Mapping[str, Any]) -> PhoneNumber:
    """Return the number in a decrypted payload of the phone button; raises DataRejected for any other payload.

    ``countryCode`` is text or number, ``purePhoneNumber`` has no country code. WeChat page: 手机号快速验证组件.
    """
    number = verified(payload.get("countryCode"), payload.get("purePhoneNumber"))
    if number is None:
        raise DataRejected("no phone number in the payload")
    return number


def from_code(phone: WeChatPhone) -> PhoneNumber:
    """Return the number that WeChat returned for a phone code; raises WeChatBadAnswer if it is not one."""
    number = verified(phone.country_code, phone.national)
    if number is None:
        raise WeChatBadAnswer("not a phone number")
    return number


def verified(country_code: object, national: object) -> PhoneNumber | None:
    """Return the canonical form of a number that WeChat has verified, or None if it is not a number.

    Different ways to split or write a number give the same result; ``country_code`` is text or a number.
    """
    if type(country_code) not in (str, int) or not isinstance(national, str):
        return None
    digits = national[:_MOST_CHARS].translate(_SEPARATORS)
    found = _CODE.match(str(country_code)[:_MOST_CHARS].strip(" "))
    if found is None or not _NATIONAL.match(digits):
        return None
    whole = found[1] + digits
    return _usual(whole) or _divided(whole, found[1])


def mainland(digits: str) -> PhoneNumber | None:
    """Return a mainland number that somebody typed as eleven digits, or None."""
    number = _known(_MAINLAND + digits) if digits.isascii() and digits.isdigit() else None
    return number if number is not None and number.country_code == _MAINLAND else None


def typed(text: str) -> PhoneNumber | None:
    """Return the number that somebody typed, with + and country code or a mainland one, or None."""
    try:
        number = phonenumbers.parse(text, "CN")
    except phonenumbers.NumberParseException:
        return None
    return _number(number) if phonenumbers.is_possible_number(number) else None


def international(text: str) -> PhoneNumber | None:
    """Return the canonical form of a number in E.164 (+8613800138000), or None if it is not one."""
    digits = text[1:]
    if text[:1] != "+" or len(text) > _MOST_CHARS or not (digits.isascii() and digits.isdigit()) or digits[0] == "0":
        return None
    return _usual(digits) or _divided(digits, digits)


def _usual(whole: str) -> PhoneNumber | None:
    """Return the form that does not change when it is parsed again: the library removes only one trunk prefix."""
    number = None
    for _ in range(_MOST_CHARS):
        again = _known(whole)
        if again is None:
            break
        number = again
        if number.country_code + number.national == whole:
            break
        whole = number.country_code + number.national
    return number


def _known(whole: str) -> PhoneNumber | None:
    """Return a number (digits with country code) in the library's form, if its length is possible in that country."""
    try:
        number = phonenumbers.parse(f"+{whole}", None)
    except phonenumbers.NumberParseException:
        return None
    return _number(number) if phonenumbers.is_possible_number(number) else None


def _divided(whole: str, code: str) -> PhoneNumber | None:
    """Split a number that the library does not know after its calling code, or after ``code`` if it has none."""
    calling = next((whole[:n] for n in range(1, _LONGEST_CALLING_CODE + 1) if whole[:n] in _CALLING_CODES), code)
    national = whole[len(calling) :]
    return PhoneNumber(calling, national) if _NATIONAL.match(national) else None


def _number(number: phonenumbers.PhoneNumber) -> PhoneNumber:
    return PhoneNumber(str(number.country_code), phonenumbers.national_significant_number(number))
