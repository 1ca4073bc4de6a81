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

TRIES = 10_000
ROUTE = "/api/v1/me/phone"


@pytest.fixture(scope="module")
def attacked(start_service: Callable[..., Service]) -> Service:
    """Ten thousand lines at DEBUG would be the costliest part."""
    settings = {"LOG_LEVEL": "WARNING", "ACCESS_LOG": "0", "RATE_LIMIT_PHONE": "off"}
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


def ask(service: Service, headers: dict[str, str], bodies: Sequence[dict[str, str]]) -> set[tuple[int, bytes]]:
    """Send these over one connection and return the different answers."""
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=30)
    seen = set()
    for body in bodies:
        connection.request("POST", ROUTE, json.dumps(body), {**headers, "Content-Type": "application/json"})
        answer = connection.getresponse()
        seen.add((answer.status, answer.read()))
    connection.close()
    return seen


def test_ten_thousand_altered_ciphertexts_get_one_answer_and_close_the_key(
    attacked: Service, simulator: Simulator, figures: Callable[[str], None]
) -> None:
    chance = random.Random(seed := random.randrange(2**32))
    token = native(attacked, simulator.code("oracle")).access
    genuine = tapped(simulator, "oracle")
    data, iv = (base64.b64decode(genuine[name]) for name in ("encryptedData", "iv"))
    headers = {"Authorization": f"Bearer {token}", "X-Request-ID": "0" * 32}
    bodies = [altered(data, iv, chance) for _ in range(TRIES)]
    with ThreadPoolExecutor(2) as attackers:
        seen = set().union(*attackers.map(lambda share: ask(attacked, headers, share), (bodies[::2], bodies[1::2])))
    figures(f"padding oracle, seed {seed}: {TRIES} altered ciphertexts, {len(seen)} different answers")
    [(status, text)] = seen
    assert (status, json.loads(text)["error"]) == (400, "data_rejected")
    # The right one comes too late: five failures have closed this session_key ...
    assert ask(attacked, headers, [genuine]) == seen
    # ... until a login brings another.
    again = native(attacked, simulator.code("oracle", rotate=True)).access
    bound = attacked.call("POST", ROUTE, token=again, json=tapped(simulator, "oracle"))
    assert bound.status_code == 200, bound.text
