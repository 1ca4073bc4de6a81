"""Sealed texts open for their purpose, unaltered and in one spelling only."""

import pytest

from authsvc.sealing import Sealer

KEYS = (bytes(range(32)), bytes(range(32, 64)))
TEXT = "oeuo083O8zRi4_ui0C_rt8GqJpQf"


def test_a_sealed_text_opens_and_does_not_show() -> None:
    sealer = Sealer(KEYS, "one purpose")
    sealed = sealer.seal(TEXT)
    assert sealer.open(sealed) == TEXT
    assert TEXT not in sealed


@pytest.mark.parametrize("keys", [KEYS[:1], KEYS, KEYS[::-1]], ids=["its key", "its key first", "its key last"])
def test_every_key_opens(keys: tuple[bytes, ...]) -> None:
    assert Sealer(keys, "one purpose").open(Sealer(KEYS[:1], "one purpose").seal(TEXT)) == TEXT


def test_neither_another_purpose_nor_another_key_opens() -> None:
    sealed = Sealer(KEYS[:1], "one purpose").seal(TEXT)
    assert Sealer(KEYS[:1], "another purpose").open(sealed) is None
    assert Sealer(KEYS[1:], "one purpose").open(sealed) is None


def test_no_other_spelling_opens() -> None:
    sealer = Sealer(KEYS, "one purpose")
    sealed = sealer.seal(TEXT * 2)
    assert sealed.endswith("=")
    changed = [sealed[:at] + ("A" if sealed[at] != "A" else "B") + sealed[at + 1 :] for at in range(len(sealed))]
    around = [
        sealed + "AAAA",
        sealed + "=",
        sealed + "\n",
        f" {sealed}",
        sealed.rstrip("="),
        sealed[:8] + "!" + sealed[8:],
    ]
    assert [text for text in (*changed, *around, "", "=", "票", None) if sealer.open(text) is not None] == []
