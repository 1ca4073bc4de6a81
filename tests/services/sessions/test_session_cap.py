"""So many sessions of one person live, exactly, however many logins come at one moment, on both databases."""

from collections.abc import Callable

import pytest

from tests.harness import signedin
from tests.harness.crowd import Crowd, post
from tests.harness.service import Service
from tests.harness.simulator import Simulator

CAP = 5
LOGINS = 24
ROUNDS = 3
TWIN = "tests.twins.counts_sessions_early:app"
LIVE = "revoked_at IS NULL"
DATABASES = ("sqlite", "mysql")


def race(service: Service, simulator: Simulator, crowd: Crowd, user: str) -> tuple[int, list[str]]:
    """Sign one person in many times at one moment; return how many of the sessions live, and every refresh token."""
    first = signedin.native(service, simulator.code(user))
    codes = simulator.codes(user, LOGINS)
    answers = crowd.send([post(f"{service.url}/api/v1/auth/login", {"code": code}) for code in codes])
    service.keep_all(answers[:2])
    let_in = [answer.json()["data"] for answer in answers if answer.status == 200]
    tickets = [first.refresh, *(data["refresh_token"] for data in let_in)]
    assert service.count("sessions", f"user_id = {first.user_id}") == len(tickets)
    return service.count("sessions", f"user_id = {first.user_id} AND {LIVE}"), tickets


@pytest.mark.parametrize("database", DATABASES)
def test_logins_at_one_moment_leave_as_many_sessions_as_may_live(
    database: str,
    simulator: Simulator,
    start_briefly: Callable[..., Service],
    crowd: Crowd,
    figures: Callable[[str], None],
) -> None:
    service = signedin.four_workers(start_briefly, "session-cap", database, SESSIONS_PER_USER=str(CAP))
    for number in range(ROUNDS):
        live, tickets = race(service, simulator, crowd, f"crowd-{number}")
        assert (live, len(tickets)) == (CAP, LOGINS + 1)
    # What was ended is refused, told by the revocation feed, and what lives is let in.
    answers = [signedin.refreshed(service, ticket).status_code for ticket in tickets]
    assert sorted(answers) == [200] * CAP + [401] * (LOGINS + 1 - CAP)
    assert service.count("sessions", "revoke_reason = 'limit'") == ROUNDS * (LOGINS + 1 - CAP)
    figures(f"session cap of {CAP}, {database}: {ROUNDS} rounds of {LOGINS} logins at one moment leave {CAP} each")


@pytest.mark.parametrize("database", DATABASES)
def test_the_check_finds_counting_before_the_lock(
    database: str,
    simulator: Simulator,
    start_briefly: Callable[..., Service],
    crowd: Crowd,
    figures: Callable[[str], None],
) -> None:
    twin = signedin.four_workers(start_briefly, "session-cap-twin", database, TWIN, SESSIONS_PER_USER=str(CAP))
    rounds = (race(twin, simulator, crowd, f"twin-{number}")[0] for number in range(10))
    live = next((live for live in rounds if live > CAP), 0)
    assert live > CAP
    figures(f"session cap of {CAP}, twin that counts early on {database}: {live} live")
