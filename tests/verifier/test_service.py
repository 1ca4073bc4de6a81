"""The verifier against the real service: what opens nothing here opens nothing at a service that verifies offline."""

import random
from collections.abc import Callable, Iterator

import pytest

from authsvc_verifier import TokenRefused, Verifier
from tests.conftest import APPID
from tests.harness import signedin
from tests.harness.forging import Forger
from tests.harness.service import ISSUER, Service
from tests.harness.simulator import Simulator
from tests.signing.test_forged_tokens import ALL, TOO_LONG_FOR_A_HEADER
from tests.signing.test_forged_tokens import forger as forger  # a fixture
from tests.web.test_cross_use import ACCESS, KINDS
from tests.web.test_cross_use import _credentials as _credentials  # a fixture

# Rightly signed by the service's own key, and of a shape that it gives: only the database knows better.
BEYOND = {"sub 19 digits", "sub of somebody else", "sid unknown", "appid of another app"}
FORGERIES = {name: forge for name, forge in {**ALL, **TOO_LONG_FOR_A_HEADER}.items() if name not in BEYOND}


@pytest.fixture(scope="module")
def verifier(sqlite_service: Service) -> Iterator[Verifier]:
    made = Verifier(ISSUER, APPID, base_url=sqlite_service.url)
    yield made
    made.close()


def test_the_forgers_own_hand_is_good_enough(forger: Forger, verifier: Verifier) -> None:
    """Or every refusal below would prove nothing."""
    for token in (forger.token, forger.with_claims(), forger.with_header(), forger.with_claims(nbf=forger.now - 1)):
        assert verifier.verify(token).user_id == forger.claims["sub"]


def test_forged_tokens_are_refused_and_nobody_is_asked_for_keys(
    forger: Forger, verifier: Verifier, figures: Callable[[str], None]
) -> None:
    let_in = []
    for name, forge in FORGERIES.items():
        try:
            verifier.verify(forge(forger))
            let_in.append(name)
        except TokenRefused as refusal:
            assert forger.token not in str(refusal)
    figures(f"forged tokens that the verifier refused: {len(FORGERIES) - len(let_in)} of {len(FORGERIES)}")
    assert (let_in, forger.listener.hits) == ([], [])
    assert len(FORGERIES) > 200
    assert verifier.verify(forger.token)


def test_the_verifier_takes_access_tokens_and_no_other_kind(
    service: Service, simulator: Simulator, verifier: Verifier, forger: Forger
) -> None:
    taken = set()
    for kind, make in KINDS.items():
        token = make(service, simulator, f"verified-{random.randrange(10**12)}")
        try:
            assert verifier.verify(token).all["iss"] == ISSUER
            taken.add(kind)
        except TokenRefused:
            pass
    assert taken == ACCESS
    with pytest.raises(TokenRefused):  # the feed is signed with the same key, and is no token
        verifier.verify(forger.with_header(typ="revocations+jwt"))


def test_claims_are_what_the_token_says(service: Service, simulator: Simulator, verifier: Verifier) -> None:
    signed_in = signedin.native(service, simulator, "verified")
    claims = verifier.verify(signed_in.access)
    assert (claims.user_id, claims.session_id, claims.appid) == (signed_in.user_id, signed_in.sid, APPID)
    assert claims.expires_at - claims.issued_at == 900
    assert "aud" not in repr(claims)


def test_claims_by_rule_come_through_of_every_kind(forger: Forger, verifier: Verifier) -> None:
    ruled = {"is_new": True, "campaign": "spring", "roles": ["shop:12", "staff"], "none": []}
    found = verifier.verify(forger.with_claims(**ruled)).all
    assert {name: found[name] for name in ruled} == ruled


@pytest.mark.parametrize(
    "issuer, audience",
    [("https://login.example.org", APPID), (ISSUER, "wx51a051a000000001"), (ISSUER, ()), (ISSUER, "")],
)
def test_another_issuer_or_audience_is_refused(
    service: Service, simulator: Simulator, issuer: str, audience: str
) -> None:
    token = signedin.native(service, simulator, "verified").access
    other = Verifier(issuer, audience, base_url=service.url, background=False)
    with pytest.raises(TokenRefused, match=r"issuer|audience"):
        other.verify(token)
    other.close()
