"""Two hundred refreshes of one token at one moment: one child, one rotation, no error; on both databases, 20 times."""

import random
from collections.abc import Callable, Iterator

import pytest

from tests.harness import signedin
from tests.harness.crowd import Answer, Crowd
from tests.harness.service import Service
from tests.harness.simulator import Simulator

ROUNDS = 20
CALLERS = 200
DATABASES = ("sqlite", "mysql")
TWIN = "tests.twins.refresh_read_then_write:app"

Round = Callable[[Simulator, Service, Crowd, str], list[str]]


@pytest.fixture(scope="module", params=DATABASES)
def racing_service(request: pytest.FixtureRequest, start_service: Callable[..., Service]) -> Iterator[Service]:
    service = signedin.four_workers(start_service, "refresh", request.param)
    yield service
    service.stop()


def test_two_hundred_refreshes_of_one_token_at_once_give_one_child(
    simulator: Simulator, racing_service: Service, crowd: Crowd, figures: Callable[[str], None]
) -> None:
    _hold(_native_round, "refresh race", simulator, racing_service, crowd, figures)


def test_two_hundred_renewals_of_the_only_token_at_once_give_one_child(
    simulator: Simulator, racing_service: Service, crowd: Crowd, figures: Callable[[str], None]
) -> None:
    _hold(_bearer_round, "renewal race", simulator, racing_service, crowd, figures)


@pytest.mark.parametrize("database", DATABASES)
def test_without_grace_one_caller_wins_and_the_session_ends(
    database: str,
    simulator: Simulator,
    start_briefly: Callable[..., Service],
    crowd: Crowd,
    figures: Callable[[str], None],
) -> None:
    service = signedin.four_workers(start_briefly, "no-grace", database, REFRESH_GRACE="0")
    _hold(_graceless_round, "refresh race without grace", simulator, service, crowd, figures)


@pytest.mark.parametrize(
    "settings, play", [({}, "_native_round"), ({"REFRESH_GRACE": "0"}, "_graceless_round")], ids=["grace", "no grace"]
)
@pytest.mark.parametrize("database", DATABASES)
def test_the_checks_find_read_then_write(
    database: str,
    settings: dict[str, str],
    play: str,
    simulator: Simulator,
    start_briefly: Callable[..., Service],
    crowd: Crowd,
    figures: Callable[[str], None],
) -> None:
    twin = signedin.four_workers(start_briefly, "refresh-twin", database, TWIN, **settings)
    seed = random.SystemRandom().getrandbits(32)
    for number in range(ROUNDS):
        found = globals()[play](simulator, twin, crowd, f"twin-{database}-{seed}-{number}")
        if any(violation.startswith(("rotations", "winners")) for violation in found):
            break
    else:
        pytest.fail(f"seed {seed}: {ROUNDS} rounds of a broken twin, and one rotation each")
    figures(f"refresh race, read-then-write twin on {database}, seed {seed}, round {number}: {'; '.join(found)}")


def _hold(
    play: Round,
    name: str,
    simulator: Simulator,
    service: Service,
    crowd: Crowd,
    figures: Callable[[str], None],
) -> None:
    database = service.dialect
    seed = random.SystemRandom().getrandbits(32)
    for number in range(ROUNDS):
        found = play(simulator, service, crowd, f"refresh-{database}-{seed}-{number}")
        assert found == [], f"seed {seed}, round {number}"
    figures(
        f"{name}, {database}: {ROUNDS} rounds of {CALLERS} callers in 4 processes against 4 workers, seed {seed}: "
        "0 violations"
    )


def _native_round(simulator: Simulator, service: Service, crowd: Crowd, user: str) -> list[str]:
    signed_in = signedin.native(service, simulator.code(user))
    answers = _send(service, crowd, [signedin.refresh_request(service, signed_in.refresh)] * CALLERS)
    children = {answer.json()["data"]["refresh_token"] for answer in answers if answer.status == 200}
    found = _violations(
        {
            "answers with 200": (_count(answers, 200), CALLERS),
            "children": (len(children), 1),
            "rotations": (_counter(service, signed_in.sid), 1),
            "sessions ended": (_ended(service, signed_in.sid), 0),
        }
    )
    alive = [signedin.refreshed(service, child).status_code for child in children]
    return found or _violations({"answers to the child": (alive, [200])})


def _bearer_round(simulator: Simulator, service: Service, crowd: Crowd, user: str) -> list[str]:
    token = signedin.code_message_data(service, simulator, user)
    sid = signedin.claims(token)["sid"]
    answers = _send(service, crowd, [signedin.renew_request(service, token)] * CALLERS)
    children = [answer.json()["data"]["access_token"] for answer in answers if answer.status == 200]
    found = _violations(
        {
            "answers with 200": (len(children), CALLERS),
            "children": ({signedin.claims(child)["jti"] for child in children}, {f"{sid}.1"}),
            "rotations": (_counter(service, sid), 1),
            "sessions ended": (_ended(service, sid), 0),
        }
    )
    alive = service.call("GET", "/api/v1/user/profile", token=children[0]).status_code if children else 0
    return found or _violations({"answer to the child": (alive, 200)})


def _graceless_round(simulator: Simulator, service: Service, crowd: Crowd, user: str) -> list[str]:
    signed_in = signedin.native(service, simulator.code(user))
    events = service.count("audit_events", "event = 'refresh_reuse'")
    answers = _send(service, crowd, [signedin.refresh_request(service, signed_in.refresh)] * CALLERS)
    children = [answer.json()["data"]["refresh_token"] for answer in answers if answer.status == 200]
    return _violations(
        {
            "winners": (len(children), 1),
            "answers with 401": (_count(answers, 401), CALLERS - 1),
            "rotations": (_counter(service, signed_in.sid), 1),
            "sessions ended": (_ended(service, signed_in.sid), 1),
            "events": (service.count("audit_events", "event = 'refresh_reuse'") - events, 1),
            "children that live": ([signedin.refreshed(service, child).status_code for child in children[:1]], [401]),
        }
    )


def _send(service: Service, crowd: Crowd, requests: list) -> list[Answer]:
    answers = crowd.send(requests)
    # The leak scan need not look for all of 24,000 tokens that were made in one way.
    service.keep_all(answers[:4])
    return answers


def _violations(expected: dict[str, tuple]) -> list[str]:
    return [f"{name}: {seen} instead of {right}" for name, (seen, right) in expected.items() if seen != right]


def _count(answers: list[Answer], status: int) -> int:
    return sum(answer.status == status for answer in answers)


def _counter(service: Service, sid: str) -> int:
    return int(service.rows(f"SELECT counter FROM sessions WHERE id = '{sid}'")[0][0])


def _ended(service: Service, sid: str) -> int:
    return service.count("sessions", f"id = '{sid}' AND revoked_at IS NOT NULL")
