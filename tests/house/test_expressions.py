"""No expression that meets a stranger's text takes longer than in proportion to it."""

import logging
import re
from collections.abc import Callable

import pytest

from authsvc.logs import Scrubber, _ScrubbingJsonFormatter, _ScrubbingTextFormatter
from authsvc.wechat.errcodes import without_tail
from tests.harness.expressions import expressions, is_slow, slow_text, sources

SECRETS = ("5e884898da28047151d0e56f8dc62927", 'p@ss/w"rd\\with\nnewline+and=more')
# Two of our own that took seconds of a worker, and what is known to go wrong elsewhere.
CARELESS = (
    r"(\\*[\"'](?:code|iv)\\*[\"']\s*:\s*\\*[\"'])[^\"'\\]+",
    r"\beyJ[\w-]+\.[\w-]+\.[\w-]+=*",
    r",?\s*(?:hints?: \[.*?\]\s*)?(?:,?\s*rid: \S+)?\s*\Z",
    r"://[^:/@]*:([^@]+)@",
    r"(a+)+\Z",
    r"(?:a|a)+b",
    r"\s*,\s*x",
    r"<.*>",
)
# What a stranger can repeat, as far as it means anything to what reads logs.
REPEATED = (
    "\\",
    '"',
    "'",
    "eyJ-",
    "eyJx.",
    'code="',
    '"code":',
    '"code":"\\',
    '\\"iv\\"',
    "bearer ",
    "basic A",
    "a=",
    " ",
)

pytestmark = pytest.mark.alone


@pytest.mark.parametrize("careless", CARELESS)
def test_a_careless_expression_is_seen(careless: str) -> None:
    assert slow_text(re.compile(careless), anywhere=True) is not None


def test_every_expression_of_the_package_is_found() -> None:
    found = expressions()
    written = sum(
        len(re.findall(r"\bre\.(?:compile|match|search|sub|findall)\(", path.read_text())) for path in sources()
    )
    assert len(found) == written > 60


def test_no_expression_of_the_package_is_careless() -> None:
    slow = {found.place: slow_text(found.pattern, found.anywhere) for found in expressions()}
    assert {place: text for place, text in slow.items() if text is not None} == {}


def formatted(formatter: logging.Formatter) -> Callable[[str], object]:
    def write(text: str) -> str:
        made = logging.LogRecord("authsvc", logging.INFO, "", 0, f"%s {text.replace('%', '')}", (text,), None)
        return formatter.format(made)

    return write


READERS: dict[str, Callable[[str], object]] = {
    "the scrubber": Scrubber(SECRETS).scrub,
    "a line of JSON": formatted(_ScrubbingJsonFormatter(Scrubber(SECRETS))),
    "a line of text": formatted(_ScrubbingTextFormatter(Scrubber(SECRETS))),
    "WeChat's words without their tail": without_tail,
}


@pytest.mark.parametrize("repeated", REPEATED, ids=ascii)
@pytest.mark.parametrize("read", READERS.values(), ids=READERS.keys())
def test_what_reads_a_strangers_text_takes_no_longer_than_in_proportion(
    read: Callable[[str], object], repeated: str
) -> None:
    for end in ("", "\0"):
        assert not is_slow(read, lambda length, end=end: repeated * (length // len(repeated)) + end)
