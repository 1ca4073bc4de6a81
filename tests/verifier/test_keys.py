"""The verifier and the key set: how often it is fetched, what is kept, and what is not believed."""

import gzip
import json
import secrets
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from authsvc_verifier import KeysUnavailable, TokenRefused, Verifier
from authsvc_verifier.keys import PATH
from tests.harness.inprocess import Clock
from tests.harness.publisher import AUDIENCE, ISSUER, Answer, Publisher

MINUTE = 60


def away(_since: int | None) -> Answer:
    return 500, {}, b"away"


def test_the_keys_are_fetched_once_and_renewed_after_five_minutes(publisher: Publisher, clock: Clock) -> None:
    verifier = publisher.verifier()
    for _ in range(3):
        assert verifier.verify(publisher.token()).user_id == "7"
    assert publisher.asked(PATH) == 1
    clock.moment += 5 * MINUTE
    verifier.verify(publisher.token())
    assert publisher.asked(PATH) == 2


def test_the_keys_are_kept_as_long_as_authsvc_says(publisher: Publisher, clock: Clock) -> None:
    publisher.answers[PATH] = lambda _: (200, {"Cache-Control": "public, max-age=20"}, publisher.key_set()[2])
    verifier, old = publisher.verifier(), publisher.token()
    verifier.verify(old)
    publisher.key = ec.generate_private_key(ec.SECP256R1())
    clock.moment += 19
    assert verifier.verify(old)
    clock.moment += 1
    with pytest.raises(TokenRefused):
        verifier.verify(old)


def test_ten_minutes_without_a_key_set_change_nothing(
    publisher: Publisher, clock: Clock, figures: Callable[[str], None]
) -> None:
    verifier, refused, verified = publisher.verifier(), 0, 0
    verifier.verify(publisher.token())
    publisher.answers[PATH] = away
    asked = publisher.asked(PATH)
    for _ in range(600):
        clock.moment += 1
        verifier.verify(publisher.token())
        verified += 1
    figures(
        f"key set down for ten minutes: {verified} tokens verified, {refused} refused,"
        f" {publisher.asked(PATH) - asked} fetches"
    )
    assert 5 <= publisher.asked(PATH) - asked <= 20  # it is looked for again, and not by every request
    publisher.answers[PATH] = publisher.key_set
    clock.moment += MINUTE
    asked = publisher.asked(PATH)
    assert verifier.verify(publisher.token()) and publisher.asked(PATH) == asked + 1


def test_a_day_without_a_key_set_is_too_long(publisher: Publisher, clock: Clock) -> None:
    verifier = publisher.verifier()
    verifier.verify(publisher.token())
    publisher.answers[PATH] = away
    clock.moment += 86400
    assert verifier.verify(publisher.token())
    clock.moment += 1
    with pytest.raises(KeysUnavailable):
        verifier.verify(publisher.token())


def test_a_thousand_unknown_kids_cost_two_fetches_in_half_a_minute(
    publisher: Publisher, clock: Clock, figures: Callable[[str], None]
) -> None:
    verifier, good = publisher.verifier(), publisher.token()

    def ask(number: int) -> bool:
        with pytest.raises(TokenRefused):
            verifier.verify(publisher.token(header={"kid": secrets.token_urlsafe(32)}))
        return verifier.verify(good).user_id == "7"

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(ask, range(1000)))
    figures(f"1,000 tokens with random kid in one moment: {publisher.asked(PATH)} fetches of the key set")
    assert publisher.asked(PATH) == 2
    clock.moment += 29
    ask(0)
    assert publisher.asked(PATH) == 2
    clock.moment += 1
    ask(0)
    assert publisher.asked(PATH) == 3


def test_a_new_key_is_found_by_the_first_token_that_it_signed(publisher: Publisher, clock: Clock) -> None:
    verifier, old = publisher.verifier(), publisher.token()
    verifier.verify(old)
    publisher.key = ec.generate_private_key(ec.SECP256R1())
    assert verifier.verify(publisher.token())
    with pytest.raises(TokenRefused):  # the old key is no longer published
        verifier.verify(old)
    assert publisher.asked(PATH) == 2


def test_many_who_come_with_a_new_key_at_once_wait_for_one_fetch(publisher: Publisher) -> None:
    verifier, go = publisher.verifier(), threading.Barrier(8)

    def first(_: int) -> str:
        go.wait()
        return verifier.verify(publisher.token()).user_id

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(first, range(8))) == ["7"] * 8
    assert publisher.asked(PATH) == 1


@pytest.mark.parametrize(
    "address",
    [
        "file:///etc/passwd",
        "ftp://127.0.0.1",
        "http://login.example.test",
        "http://10.0.0.1",
        "//127.0.0.1",
        "data:,",
    ],
)
def test_an_address_that_is_neither_https_nor_here_is_not_taken(address: str) -> None:
    with pytest.raises(ValueError, match="https"):
        Verifier(ISSUER, AUDIENCE, base_url=address)


UNUSABLE: dict[str, Callable[[Publisher], Answer]] = {
    "a redirect to a good set": lambda p: (302, {"Location": f"{p.url}/elsewhere"}, b""),
    "a redirect to a file": lambda p: (307, {"Location": "file:///etc/passwd"}, b""),
    "5 MB": lambda p: (200, {}, json.dumps({"keys": [p.jwk], "more": "x" * 5_000_000}).encode()),
    "5 MB, zipped into few": lambda p: (
        200,
        {"Content-Encoding": "gzip"},
        gzip.compress(json.dumps({"keys": [p.jwk], "more": "x" * 5_000_000}).encode()),
    ),
    "no JSON": lambda p: (200, {}, b"<html>"),
    "a list": lambda p: (200, {}, b"[]"),
    "no keys": lambda p: (200, {}, b'{"keys": []}'),
    "deep": lambda p: (200, {}, b"[" * 20_000 + b"]" * 20_000),
    "half a body": lambda p: (200, {"Content-Length": "100000"}, b'{"keys": ['),
    "a key off the curve": lambda p: (200, {}, json.dumps({"keys": [{**p.jwk, "y": p.jwk["x"]}]}).encode()),
    "a symmetric key": lambda p: (200, {}, json.dumps({"keys": [{"kty": "oct", "k": "AAAA", **kid(p)}]}).encode()),
    "a key for encrypting": lambda p: (200, {}, json.dumps({"keys": [{**p.jwk, "use": "enc"}]}).encode()),
    "a key for another algorithm": lambda p: (200, {}, json.dumps({"keys": [{**p.jwk, "alg": "ES384"}]}).encode()),
    "204": lambda p: (204, {}, b""),
    "500 with a good set": lambda p: (500, {}, p.key_set()[2]),
}


def kid(publisher: Publisher) -> dict[str, str]:
    return {"kid": publisher.jwk["kid"]}


@pytest.mark.parametrize("answer", UNUSABLE.values(), ids=UNUSABLE.keys())
def test_a_key_set_that_is_none_is_not_taken_and_the_old_one_stays(
    answer: Callable[[Publisher], Answer], publisher: Publisher, clock: Clock
) -> None:
    publisher.answers["/elsewhere"] = publisher.key_set
    publisher.answers[PATH] = lambda _: answer(publisher)
    with pytest.raises(KeysUnavailable):
        publisher.verifier().verify(publisher.token())
    publisher.answers[PATH] = publisher.key_set
    verifier = publisher.verifier()
    verifier.verify(publisher.token())
    publisher.answers[PATH] = lambda _: answer(publisher)
    clock.moment += 5 * MINUTE
    asked = publisher.asked(PATH)
    assert verifier.verify(publisher.token()) and publisher.asked(PATH) == asked + 1
    assert publisher.asked("/elsewhere") == 0


def test_other_keys_beside_ours_are_left_alone(publisher: Publisher) -> None:
    others = [{"kty": "oct", "k": "AAAA", "kid": "s"}, {"kty": "RSA", "kid": "r", "n": "x", "e": "AQAB"}, {"kty": "EC"}]
    publisher.answers[PATH] = lambda _: (200, {}, json.dumps({"keys": [*others, publisher.jwk]}).encode())
    assert publisher.verifier().verify(publisher.token())


def test_a_clock_that_is_set_back_refuses_nobody(publisher: Publisher, clock: Clock) -> None:
    verifier = publisher.verifier()
    verifier.verify(publisher.token())
    publisher.answers[PATH] = away
    clock.moment -= 3600
    assert verifier.verify(publisher.token())
