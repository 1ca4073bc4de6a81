"""Numbers that WeChat has verified are stored, each in one form; what people type in is held to the library's rules."""

import string
from collections.abc import Iterator
from typing import Any

import phonenumbers as library
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from authsvc.errors import DataRejected, WeChatBadAnswer
from authsvc.services import numbers
from authsvc.values.people import PhoneNumber
from authsvc.values.wechat import WeChatPhone

KINDS = [getattr(library.PhoneNumberType, name) for name in dir(library.PhoneNumberType) if name.isupper()]
COUNTRY_CODE_CHARS, NATIONAL_CHARS = 8, 20  # of the columns


def examples() -> Iterator[tuple[str, str, str]]:
    """Country code, national digits and national spelling of every example that the library has."""
    for region in sorted(library.SUPPORTED_REGIONS):
        for kind in KINDS:
            number = library.example_number_for_type(region, kind)
            if number is not None:
                national = library.format_number(number, library.PhoneNumberFormat.NATIONAL)
                yield str(number.country_code), library.national_significant_number(number), national


def spellings(code: str, digits: str, national: str) -> Iterator[tuple[object, str]]:
    """How WeChat, or somebody in between, might write one number."""
    yield from ((spelled, digits) for spelled in (code, int(code), f"+{code}", f"00{code}", f"0{code}", f" {code} "))
    yield from ((code + digits[:many], digits[many:]) for many in (1, 2, 3) if len(digits) - many >= 4)
    yield code, "".join(filter(str.isdigit, national))  # with the trunk prefix of the country
    yield code, f"{digits[:3]} {digits[3:5]}-{digits[5:]}"
    yield code, f"({digits[:2]}) {digits[2:4]}.{digits[4:]}"


def test_every_spelling_of_every_regions_numbers_is_one_number_and_stays_it() -> None:
    found = list(examples())
    assert len(found) > 1000
    for code, digits, national in found:
        wanted = PhoneNumber(code, digits)
        for spelled, written in spellings(code, digits, national):
            assert numbers.verified(spelled, written) == wanted, (spelled, written)


@pytest.mark.parametrize(
    "code, national, wanted",
    [
        ("1876", "5551234", ("1", "8765551234")),
        (1876, "5551234", ("1", "8765551234")),
        ("1242", "3591234", ("1", "2423591234")),
        ("1809", "5551234", ("1", "8095551234")),
        ("1868", "5551234", ("1", "8685551234")),
        ("001868", "5551234", ("1", "8685551234")),
        ("0086", "13800138000", ("86", "13800138000")),
        ("+86", "138 0013 8000", ("86", "13800138000")),
        ("39", "0669812345", ("39", "0669812345")),  # an Italian zero belongs to the number
        ("44", "07911123456", ("44", "7911123456")),  # a British one does not
        ("7", "89161234567", ("7", "9161234567")),
        # What no numbering plan has: as it is, in one form all the same.
        ("86", "138001380001234", ("86", "138001380001234")),
        ("8613", "8001380001234", ("86", "138001380001234")),
        ("999", "12345678", ("999", "12345678")),
        ("210", "12345", ("210", "12345")),
        ("1876", "12345", ("1", "87612345")),
        ("290", "1234", ("290", "1234")),
    ],
)
def test_what_wechat_has_verified_is_stored_both_ways_in(code: object, national: str, wanted: tuple[str, str]) -> None:
    number = PhoneNumber(*wanted)
    payload = {"phoneNumber": "x", "purePhoneNumber": national, "countryCode": code}
    assert numbers.from_wechat(payload) == number
    assert numbers.from_code(WeChatPhone(str(code), national)) == number
    assert numbers.verified(number.country_code, number.national) == number


NO_CODES: list[Any] = [
    None,
    True,
    86.0,
    -86,
    0,
    "",
    "0",
    "+",
    "x86",
    "86x",
    "８６",
    "8 6",
    "86\n",
    [],
    {},
    b"86",
    "1" * 9,
]
NO_NATIONALS: list[Any] = [
    None,
    True,
    13800138000,
    "",
    "123",
    "1" * 21,
    "1380013800x",
    "１３８００１３８０００",
    "138\n0013",
    [],
]


@pytest.mark.parametrize("code, national", [(c, "13800138000") for c in NO_CODES] + [("86", n) for n in NO_NATIONALS])
def test_what_is_no_number_is_refused_both_ways_in(code: Any, national: Any) -> None:
    with pytest.raises(DataRejected):
        numbers.from_wechat({"purePhoneNumber": national, "countryCode": code})
    if isinstance(code, str) and isinstance(national, str):
        with pytest.raises(WeChatBadAnswer):
            numbers.from_code(WeChatPhone(code, national))


DIGITS = st.text(string.digits, min_size=0, max_size=24)


@settings(max_examples=1000, deadline=None)
@given(code=st.one_of(DIGITS, st.integers()), national=DIGITS, many=st.integers(0, 6))
def test_whatever_digits_come_the_form_is_one_fits_its_columns_and_does_not_depend_on_the_division(
    code: str | int, national: str, many: int
) -> None:
    number = numbers.verified(code, national)
    if number is None:
        return
    assert 1 <= len(number.country_code) <= COUNTRY_CODE_CHARS and 1 <= len(number.national) <= NATIONAL_CHARS
    assert (number.country_code + number.national).isascii() and number.national.isdigit()
    assert numbers.verified(number.country_code, number.national) in (number, None)
    is_calling_code = int(number.country_code) in library.COUNTRY_CODE_TO_REGION_CODE
    divided = numbers.verified(f"{code}{national[:many]}", national[many:])
    if is_calling_code and divided is not None:
        assert divided == number


@settings(max_examples=300, deadline=None)
@given(code=st.one_of(st.text(), st.binary(), st.floats(), st.none()), national=st.one_of(st.text(), st.binary()))
def test_nothing_that_comes_raises_anything_but_a_refusal(code: object, national: object) -> None:
    number = numbers.verified(code, national)
    assert number is None or number.national.isdigit()


def test_what_people_type_in_is_held_to_the_rules() -> None:
    assert numbers.mainland("13800138000") == PhoneNumber("86", "13800138000")
    for wrong in ("138001380001234", "１３８００１３８０００", "1380013800x", "", "123"):
        assert numbers.mainland(wrong) is None
    assert numbers.typed("+1 876 555 1234") == PhoneNumber("1", "8765551234")
    assert numbers.typed("138 0013 8000") == PhoneNumber("86", "13800138000")
    for wrong in ("+86138001380001234", "12", "x", "+999123456"):
        assert numbers.typed(wrong) is None
