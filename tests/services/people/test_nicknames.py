"""Which names are kept as typed, which are refused and why, and what is kept of one that comes with a login."""

import unicodedata

import pytest

from authsvc.services.people import nicknames

ENGLAND = "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"
FAMILY = "👨\u200d👩\u200d👧"
KEPT = [
    "🩷",
    "小美🩷",
    "小　美",
    "　小美　",
    " Lan ",
    "\U0002ebf0\U00031350",  # ideographs of extensions I and H
    ENGLAND,
    f"英{ENGLAND}国",
    "\U0001fae9\U0001fadf",  # emoji of Unicode 16
    "\U000323b0",  # not assigned in Unicode 17
    "\ue001\ue312",  # the private emoji of early phones
    "لیلا\u200cها",
    "a\u200eb\u061cc",  # marks of direction turn nothing around that is not theirs
    "e\u0301" * 32,
    "नमस्ते",
    "x" * 64,
    "𠮷" * 64,
    "\U0010fffd",
]
REFUSED = {
    "characters": [
        *("a\0b", "a\tb", "a\nb", "a\x1b[31mb", "a\x7fb", "a\x85b", "a\x9bb", "a\u2028b", "a\u2029b"),
        *(f"a{chr(code)}b" for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))),
        *("Lan\ud83c", "\udc00Lan", "a\ufdd0b", "a\ufdefb", "a\ufffeb", "a\uffffb", "a\U0001ffffb", "a\U0010fffeb"),
    ],
    "empty": ["", " ", "\u3000", "\u200b", "\u200d\u200d", "\ufe0f", "\u3164", "\u2800 \u115f", "\u00a0", "\U000e0067"],
    "placeholder": ["微信用户", " 微信用户\u3000"],
    "too_long": ["x" * 65, "𠮷" * 65],
}


@pytest.mark.parametrize("name", KEPT, ids=ascii)
def test_a_name_that_does_no_harm_is_kept_as_typed(name: str) -> None:
    assert nicknames.fault(name) is None
    assert nicknames.usable(name) == name


@pytest.mark.parametrize(
    "reason, name",
    [(reason, name) for reason, names in REFUSED.items() for name in names],
    ids=lambda part: ascii(part)[:30],
)
def test_a_name_that_is_refused_has_its_reason(reason: str, name: str) -> None:
    assert nicknames.fault(name) == reason


def test_no_name_depends_on_what_the_interpreter_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest Unicode database that Python carries knows no 🩷 and keeps it all the same."""
    old = unicodedata.ucd_3_2_0
    assert old.category("🩷") == "Cn"
    monkeypatch.setattr(nicknames, "unicodedata", old)
    assert [name for name in KEPT if nicknames.usable(name) != name] == []


@pytest.mark.parametrize(
    "given, kept",
    [
        ("小美🩷\n", "小美🩷"),
        ("La\0n", "Lan"),
        ("Lan\ud83c", "Lan"),
        ("\u202eLan", "Lan"),
        ("\u202e\n", None),
        (" 微信用户 ", None),
        ("x" * 62 + FAMILY, "x" * 62),
        ("x" * 62 + ENGLAND, "x" * 62),
        ("x" * 63 + "e\u0301", "x" * 63),
        ("x" * 63 + "👍\U0001f3fd", "x" * 63),
        ("x" * 59 + FAMILY, "x" * 59 + FAMILY),
        ("e" + "\u0301" * 100, "e" + "\u0301" * 63),
        (7, None),
        (None, None),
    ],
    ids=lambda part: ascii(part)[:40],
)
def test_what_is_kept_of_a_name_that_comes_with_a_login(given: object, kept: str | None) -> None:
    assert nicknames.usable(given) == kept
