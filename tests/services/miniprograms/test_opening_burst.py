"""Sixty forged ciphertexts at once: five are looked at, however they come in; a broken twin is seen to look at more."""

import base64
from collections.abc import Callable

import pytest

from tests.harness import signedin
from tests.harness.crowd import Request, post
from tests.harness.races import Race
from tests.harness.service import Service
from tests.harness.simulator import Simulator

pytestmark = pytest.mark.slow

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
        token = signedin.native(service, simulator, user).access
        bodies = forged(simulator, user, BURSTS[way])
        url, bearer = f"{service.url}/api/v1/me/phone", f"Bearer {token}"
        return [post(url, body, **service.step_up(token), Authorization=bearer) for body in bodies]
    if way == "known":
        signedin.native(service, simulator, user)
    codes = simulator.codes(user, BURSTS[way])
    pairs = zip(codes, forged(simulator, user, BURSTS[way]), strict=True)
    return [post(f"{service.url}/auth/mp_login", {"code": code, **body}) for code, body in pairs]


def looked_at(race: Race, way: str) -> int:
    """Send the burst; return how many tries were counted, after making sure that all were refused alike."""
    service = race.service
    before = {row[0] for row in service.rows("SELECT key_hash FROM decrypt_failures")}
    answers = race.send(burst(service, race.simulator, way, f"burst-{way}-{race.seed}"))
    texts = {answer.json().get("error", answer.content) for answer in answers}
    assert {answer.status for answer in answers} == {400} and len(texts) == 1, texts
    counted = dict(service.rows("SELECT key_hash, failures FROM decrypt_failures"))
    (tries,) = [count for key, count in counted.items() if key not in before]
    return int(tries)


@pytest.mark.parametrize("way", BURSTS)
def test_of_sixty_at_once_five_are_looked_at_and_the_key_is_closed(
    each_service: Service, race_on: Callable[[Service], Race], way: str
) -> None:
    race = race_on(each_service)
    assert looked_at(race, way) == 5
    race.note(f"{BURSTS[way]} forged ciphertexts at once ({way})", "5 looked at")


def test_the_check_finds_failures_that_are_counted_afterwards(start_race: Callable[..., Race]) -> None:
    race = start_race("opening-twin", "tests.twins.opening_counts_afterwards:app")
    tries = looked_at(race, "known")
    assert tries > 5
    race.note(f"{BURSTS['known']} forged ciphertexts at once, twin", f"{tries} looked at")
