"""authsvc and its verifier share no code, as each is installed without the other: what they agree on is held here."""

import configparser
from importlib.metadata import version

from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import Requirement

import authsvc
import authsvc_verifier
from authsvc.services.sessions import revocations
from authsvc.signing import compact, tokens
from authsvc.values import tokens as facts
from authsvc_verifier import compact as their_compact
from authsvc_verifier import feed, verifier
from tests.harness.places import ROOT

MOST = 60
# Canonical or nearly: every length of part, with and without spare bits, and the characters that decoders pass over.
PARTS = st.text("AQgwBIQY-_=+/ \n.é", max_size=9)
TEXTS = st.lists(PARTS, min_size=2, max_size=4).map(".".join) | st.text(max_size=MOST + 2)


def test_they_agree_on_kinds_algorithm_patterns_and_leeway() -> None:
    kinds = (facts.ACCESS_TOKEN_TYPE, facts.FEED_TYPE, facts.ALGORITHM)
    assert kinds == (verifier.KIND, feed.KIND, their_compact.ALGORITHM)
    assert tokens._SESSION_ID.pattern == verifier._SESSION_ID.pattern
    assert tokens._USER_ID.pattern == verifier._USER_ID.pattern
    assert (tokens._MAX_TOKEN_CHARS, tokens.CLOCK_LEEWAY_SECONDS) == (verifier._MOST_CHARS, verifier._LEEWAY_SECONDS)
    assert revocations.SESSION_PREFIX == feed.SESSION_PREFIX


@given(TEXTS)
def test_they_agree_on_what_a_token_looks_like(text: str) -> None:
    assert compact.is_compact(text, MOST) == their_compact.is_compact(text, MOST)


def test_the_texts_of_that_are_of_both_kinds() -> None:
    """Or the agreement would be one about nothing."""
    for text, expected in {"QQ.Qg.Qw": True, "QQ.Qg.QB": False, "QQ.Qg.Q": False, "QQ.Qg": False}.items():
        assert (compact.is_compact(text, MOST), their_compact.is_compact(text, MOST)) == (expected, expected)


def test_they_have_one_version_and_the_packages_that_are_tested_here_are_what_the_verifier_asks_for() -> None:
    assert authsvc_verifier.__version__ == authsvc.__version__
    config = configparser.ConfigParser()
    config.read(ROOT / "verifier" / "setup.cfg", encoding="utf-8")
    lines = config["options"]["install_requires"] + config["options.extras_require"]["flask"]
    asked = [Requirement(line) for line in lines.splitlines() if line]
    assert {one.name for one in asked} == {"PyJWT", "cryptography", "requests", "urllib3", "flask"}
    assert [one for one in asked if not one.specifier.contains(version(one.name))] == []
