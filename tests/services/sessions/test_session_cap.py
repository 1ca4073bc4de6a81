"""So many sessions of one person live, exactly, however many logins come at one moment, on both databases."""

from collections.abc import Callable

import pytest

from tests.harness import signedin
from tests.harness.crowd import post
from tests.harness.races import Race

pytestmark = pytest.mark.slow

CAP = 5
LOGINS = 24
ROUNDS = 3
TWIN = "tests.twins.counts_sessions_early:app"
LIVE = "revoked_at IS NULL"


def play(race: Race, user: str) -> tuple[int, list[str]]:
    """Sign one person in many times at one moment; return how many of the sessions live, and every refresh token."""
    service = race.service
    first = signedin.native(service, race.simulator, user)
    codes = race.simulator.codes(user, LOGINS)
    answers = race.send([post(f"{service.url}/api/v1/auth/login", {"code": code}) for code in codes], kept=2)
    let_in = [answer.json()["data"] for answer in answers if answer.status == 200]
    tickets = [first.refresh, *(data["refresh_token"] for data in let_in)]
    assert service.count("sessions", f"user_id = {first.user_id}") == len(tickets)
    return service.count("sessions", f"user_id = {first.user_id} AND {LIVE}"), tickets


def test_logins_at_one_moment_leave_as_many_sessions_as_may_live(start_race: Callable[..., Race]) -> None:
    race = start_race("session-cap", SESSIONS_PER_USER=str(CAP))
    for number in range(ROUNDS):
        live, tickets = play(race, f"crowd-{number}")
        assert (live, len(tickets)) == (CAP, LOGINS + 1)
    # What was ended is refused, told by the revocation feed, and what lives is let in.
    answers = [signedin.refreshed(race.service, ticket).status_code for ticket in tickets]
    assert sorted(answers) == [200] * CAP + [401] * (LOGINS + 1 - CAP)
    assert race.service.count("sessions", "revoke_reason = 'limit'") == ROUNDS * (LOGINS + 1 - CAP)
    race.note(f"session cap of {CAP}", f"{ROUNDS} rounds of {LOGINS} logins at one moment leave {CAP} each")


def test_the_check_finds_counting_before_the_lock(start_race: Callable[..., Race]) -> None:
    race = start_race("session-cap-twin", TWIN, SESSIONS_PER_USER=str(CAP))

    def too_many(race: Race, name: str) -> list[str]:
        live, _ = play(race, f"twin-{name}")
        return [f"live: {live}"] * (live > CAP)

    race.note(f"session cap of {CAP}, twin that counts early", race.catch(too_many, "live", rounds=10))
