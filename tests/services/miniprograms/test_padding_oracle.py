"""Somebody who sends altered ciphertexts and watches the answers learns nothing: the format has no integrity check."""

import base64
import http.client
import json
import random
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.harness.service import Service
from tests.harness.signedin import native, tapped
from tests.harness.simulator import Simulator

pytestmark = pytest.mark.slow

TRIES = [500, 10_000]
ROUTE = "/api/v1/me/phone"


@pytest.fixture(scope="module")
def attacked(start_service: Callable[..., Service]) -> Service:
    """So many lines at DEBUG would be the costliest part."""
    settings = {"LOG_LEVEL": "WARNING", "ACCESS_LOG": "0", "RATE_LIMIT_PHONE": "off", "RATE_LIMIT_LOGIN": "off"}
    return start_service("oracle", workers=2, settings=settings)


def altered(data: bytes, iv: bytes, chance: random.Random) -> dict[str, str]:
    """One ciphertext that differs somewhere: a bit, a byte of the last but one block, a block less, another iv."""
    blocks = bytearray(data)
    kind = chance.randrange(4)
    if kind == 0:
        blocks[chance.randrange(len(blocks))] ^= 1 << chance.randrange(8)
    elif kind == 1:
        blocks[-32 + chance.randrange(16)] ^= chance.randrange(1, 256)
    elif kind == 2:
        del blocks[-16:]
    else:
        iv = chance.randbytes(16)
        blocks[0] ^= 1
    return {"encryptedData": base64.b64encode(blocks).decode(), "iv": base64.b64encode(iv).decode()}


def ask(
    service: Service, headers: dict[str, str], codes: Sequence[str], bodies: Sequence[dict[str, str]]
) -> set[tuple[int, bytes]]:
    """Send these over one connection, each with a code for step-up, and return the different answers."""
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=30)
    seen = set()
    for body, code in zip(bodies, codes, strict=True):
        sent = {**headers, "Content-Type": "application/json", "Step-Up-Code": code}
        connection.request("POST", ROUTE, json.dumps(body), sent)
        answer = connection.getresponse()
        seen.add((answer.status, answer.read().replace(answer.headers["X-Request-ID"].encode(), b"")))
    connection.close()
    return seen


@pytest.mark.parametrize("tries", TRIES)
def test_altered_ciphertexts_get_one_answer_and_close_the_key(
    attacked: Service, simulator: Simulator, figures: Callable[[str], None], tries: int
) -> None:
    chance = random.Random(seed := random.randrange(2**32))
    user = f"oracle-{tries}"
    token = native(attacked, simulator, user).access
    genuine = tapped(simulator, user)
    data, iv = (base64.b64decode(genuine[name]) for name in ("encryptedData", "iv"))
    headers = {"Authorization": f"Bearer {token}"}
    bodies = [altered(data, iv, chance) for _ in range(tries)]

    def share(start: int) -> set[tuple[int, bytes]]:
        """Somebody who holds the phone as well: with the token alone nothing is opened. Codes live five minutes."""
        mine = bodies[start::2]
        pieces = [mine[at : at + 500] for at in range(0, len(mine), 500)]
        return set().union(*(ask(attacked, headers, simulator.codes(user, len(piece)), piece) for piece in pieces))

    with ThreadPoolExecutor(2) as attackers:
        seen = set().union(*attackers.map(share, (0, 1)))
    figures(f"padding oracle, seed {seed}: {tries} altered ciphertexts, {len(seen)} different answers")
    [(status, text)] = seen
    assert (status, json.loads(text)["error"]) == (400, "data_rejected")
    # The right one comes too late: five failures have closed this session_key ...
    assert ask(attacked, headers, [simulator.code(user)], [genuine]) == seen
    # ... until a login brings another.
    again = native(attacked, simulator, user, code=simulator.code(user, rotate=True)).access
    bound = attacked.call("POST", ROUTE, token=again, json=tapped(simulator, user))
    assert bound.status_code == 200, bound.text
