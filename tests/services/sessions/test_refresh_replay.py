"""An old ticket used again: in the same second, after a crash of a worker, after a restart, and after the grace.

A hundred sessions, native and of a front end with one token, each rotated three times. The ticket before the last one
is answered with the same child while the grace lasts; any older one, or that one later, ends the session.
"""

import os
import random
import signal
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tests.harness import signedin
from tests.harness.races import Race
from tests.harness.service import Service
from tests.harness.simulator import Simulator
from tests.harness.waiting import wait_until

pytestmark = pytest.mark.slow

SEQUENCES = 100
# Long enough for a restart on a busy machine; the thirty seconds are tested to the second in test_session_limits.py.
GRACE = "300"


@dataclass(frozen=True, slots=True)
class Family:
    """A session's tickets, the oldest first, and the access token that came with the last one."""

    kind: str
    user_id: str
    tickets: list[str]
    access: str


def test_an_old_ticket_is_never_accepted_and_a_legitimate_retry_never_refused(start_race: Callable[..., Race]) -> None:
    race = start_race("replay", REFRESH_GRACE=GRACE)
    service, chance = race.service, race.chance
    families = [_family(race.simulator, service, number, f"replay-{race.seed}") for number in range(SEQUENCES)]
    at_once, killed, restarted, late = (families[number::4] for number in range(4))

    found = [problem for family in at_once for problem in _replay(service, family, chance)]
    _kill_a_worker(service)
    found += [f"worker killed: {problem}" for family in killed for problem in _replay(service, family, chance)]
    service.restart()
    found += [f"restarted: {problem}" for family in restarted for problem in _replay(service, family, chance)]
    service.environment["REFRESH_GRACE"] = "1"
    service.restart()
    found += [f"after the grace: {problem}" for family in late for problem in _replay_late(service, family)]

    assert found == [], f"seed {race.seed}"
    same_second = service.count("sessions", "counter = 3 AND rotated_at = created_at")
    race.note(
        "replay",
        f"{SEQUENCES} sequences: 0 old tickets accepted, 0 of {3 * SEQUENCES // 4} legitimate retries refused; "
        f"{same_second} sequences rotated three times within one second",
    )
    assert same_second > 0


def _family(simulator: Simulator, service: Service, number: int, user: str) -> Family:
    # People of their own: the audit events are counted per person.
    if number // 4 % 2:
        tickets = [signedin.code_message_data(service, simulator, f"{user}-{number}")]
        user_id = signedin.claims(tickets[0])["sub"]
        kind = "bearer"
    else:
        signed_in = signedin.native(service, simulator, f"{user}-{number}")
        tickets, user_id, kind = [signed_in.refresh], signed_in.user_id, "native"
    access = ""
    for _ in range(3):
        status, ticket, access = _rotate(service, kind, tickets[-1])
        assert status == 200
        tickets.append(ticket)
    return Family(kind, user_id, tickets, access)


def _replay(service: Service, family: Family, chance: random.Random) -> list[str]:
    """The answer to the last rotation was lost: the client may ask again. Then a thief comes with an older ticket."""
    status, child, _ = _rotate(service, family.kind, family.tickets[-2])
    right = status == 200 and _name(family, child) == _name(family, family.tickets[-1])
    found = [] if right else [f"retry answered with {status}"]
    return found + _steal(service, family, chance.choice(family.tickets[:-2]))


def _replay_late(service: Service, family: Family) -> list[str]:
    return _steal(service, family, family.tickets[-2])


def _steal(service: Service, family: Family, ticket: str) -> list[str]:
    """Use an old ticket; say what afterwards is not as dead as it should be."""
    answers = {
        "the old ticket": _rotate(service, family.kind, ticket)[0],
        "the newest ticket": _rotate(service, family.kind, family.tickets[-1])[0],
        "the access token": service.call("GET", "/api/v1/user/profile", token=family.access).status_code,
    }
    events = service.count("audit_events", f"event = 'refresh_reuse' AND user_id = {family.user_id}")
    found = [f"{family.kind}: {name} was answered with {status}" for name, status in answers.items() if status != 401]
    return found if events == 1 else [*found, f"{family.kind}: {events} audit events"]


def _rotate(service: Service, kind: str, ticket: str) -> tuple[int, str, str]:
    """Return the status, and where it is good the next ticket and the access token beside it."""
    if kind == "native":
        answer = signedin.refreshed(service, ticket)
        data = answer.json()["data"] or {}
        return answer.status_code, data.get("refresh_token", ""), data.get("access_token", "")
    answer = service.call("POST", signedin.RENEW, token=ticket)
    token = answer.json().get("data", {}).get("access_token", "")
    return answer.status_code, token, token


def _name(family: Family, ticket: str) -> str:
    """What makes two tickets the same: all of a refresh token; of the only token, which is signed anew, its jti."""
    return ticket if family.kind == "native" else str(signedin.claims(ticket)["jti"])


def _kill_a_worker(service: Service) -> None:
    before = service.workers()
    os.kill(before[0], signal.SIGKILL)
    wait_until(lambda: len(service.workers()) == len(before) and before[0] not in service.workers())
