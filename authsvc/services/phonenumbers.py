"""One canonical form per phone number: country code and national digits, judged by the phonenumbers library."""

from collections.abc import Mapping
from typing import Any

import phonenumbers

from authsvc.errors import DataRejected, WeChatBadAnswer
from authsvc.types import PhoneNumber, WeChatPhone

_MAINLAND = "86"


def from_wechat(payload: Mapping[str, Any]) -> PhoneNumber:
    """Return the number in a decrypted payload of the phone button; raises DataRejected for any other payload.

    ``countryCode`` is text or number, ``purePhoneNumber`` has no country code. WeChat page: 手机号快速验证组件.
    """
    number = parse(payload.get("countryCode"), payload.get("purePhoneNumber"))
    if number is None:
        raise DataRejected("no phone number in the payload")
    return number


def canonical(phone: WeChatPhone) -> PhoneNumber:
    """Return the number that WeChat gave for a phone code; raises WeChatBadAnswer when no country has such numbers."""
    number = parse(phone.country_code, phone.national)
    if number is None:
        raise WeChatBadAnswer("the phone number is not possible")
    return number


def mainland(digits: str) -> PhoneNumber | None:
    """Return a mainland number from its eleven digits, or None."""
    return parse(_MAINLAND, digits)


def typed(text: str) -> PhoneNumber | None:
    """Return the number that somebody typed, with + and country code or a mainland one, or None."""
    try:
        number = phonenumbers.parse(text, "CN")
    except phonenumbers.NumberParseException:
        return None
    return _number(number) if phonenumbers.is_possible_number(number) else None


def parse(country_code: object, national: object) -> PhoneNumber | None:
    """Return the canonical number, or None when its length is impossible in that country.

    Possible, not valid: WeChat has verified the number, and numbering plans change faster than a library.
    """
    code = str(country_code).lstrip("+0") if isinstance(country_code, str | int) else ""
    digits = national if isinstance(national, str) else ""
    if not (code.isascii() and code.isdigit() and digits.isascii()):
        return None
    try:
        number = phonenumbers.parse(f"+{code}{digits}", None)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(number) or str(number.country_code) != code:
        return None
    return _number(number)


def _number(number: phonenumbers.PhoneNumber) -> PhoneNumber:
    return PhoneNumber(str(number.country_code), phonenumbers.national_significant_number(number))
