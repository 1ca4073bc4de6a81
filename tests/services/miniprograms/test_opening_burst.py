"""Sixty forged ciphertexts at once: five are looked at, however they come in; a broken twin is seen to look at more."""

import base64
import random
from collections.abc import Callable

import pytest

from tests.harness import signedin
from tests.harness.crowd import Crowd, Request, post
from tests.harness.service import Service
from tests.harness.simulator import Simulator

# A signed-in person may ask for less in a minute.
BURSTS = {"known": 60, "new": 60, "bind": 20}


def forged(simulator: Simulator, user: str, count: int) -> list[dict[str, str]]:
    """So many ciphertexts of one button, each altered in a place of its own."""
    genuine = signedin.tapped(simulator, user)
    blocks = base64.b64decode(genuine["encryptedData"])
    found = []
    for number in range(count):
        altered = bytearray(blocks)
        altered[number % len(altered)] ^= 1 + number % 255
        found.append({"encryptedData": base64.b64encode(altered).decode(), "iv": genuine["iv"]})
    return found


def burst(service: Service, simulator: Simulator, way: str, user: str) -> list[Request]:
    if way == "bind":
        token = signedin.native(service, simulator.code(user)).access
        bodies = forged(simulator, user, BURSTS[way])
        url, bearer = f"{service.url}/api/v1/me/phone", f"Bearer {token}"
        return [post(url, body, **service.step_up(token), Authorization=bearer) for body in bodies]
    if way == "known":
        signedin.native(service, simulator.code(user))
    codes = simulator.codes(user, BURSTS[way])
    pairs = zip(codes, forged(simulator, user, BURSTS[way]), strict=True)
    return [post(f"{service.url}/auth/mp_login", {"code": code, **body}) for code, body in pairs]


def looked_at(service: Service, simulator: Simulator, crowd: Crowd, way: str) -> int:
    """Send the burst; return how many tries were counted, after making sure that all were refused alike."""
    user = f"burst-{way}-{random.randrange(10**12)}"
    before = {row[0] for row in service.rows("SELECT key_hash FROM decrypt_failures")}
    answers = crowd.send(burst(service, simulator, way, user))
    service.keep_all(answers)
    texts = {answer.json().get("error", answer.content) for answer in answers}
    assert {answer.status for answer in answers} == {400} and len(texts) == 1, texts
    counted = dict(service.rows("SELECT key_hash, failures FROM decrypt_failures"))
    (tries,) = [count for key, count in counted.items() if key not in before]
    return int(tries)


@pytest.mark.parametrize("way", BURSTS)
def test_of_sixty_at_once_five_are_looked_at_and_the_key_is_closed(
    simulator: Simulator, each_service: Service, crowd: Crowd, way: str, figures: Callable[[str], None]
) -> None:
    assert looked_at(each_service, simulator, crowd, way) == 5
    figures(f"{BURSTS[way]} forged ciphertexts at once ({way}): 5 looked at")


@pytest.mark.parametrize("database", ["sqlite", "mysql"])
def test_the_check_finds_failures_that_are_counted_afterwards(
    database: str,
    simulator: Simulator,
    start_briefly: Callable[..., Service],
    crowd: Crowd,
    figures: Callable[[str], None],
) -> None:
    twin = signedin.four_workers(start_briefly, "opening-twin", database, "tests.twins.opening_counts_afterwards:app")
    tries = looked_at(twin, simulator, crowd, "known")
    assert tries > 5
    figures(f"{BURSTS['known']} forged ciphertexts at once, twin, {database}: {tries} looked at")
