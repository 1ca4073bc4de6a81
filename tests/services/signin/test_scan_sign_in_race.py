"""Fifty polls and two decisions at once, alike or opposite: one decision holds, and one session comes of it."""

import random
from collections.abc import Callable
from typing import Any

import pytest

from tests.harness import scanning, signedin
from tests.harness.crowd import Answer, Crowd
from tests.harness.service import Service
from tests.harness.signedin import SignedIn
from tests.harness.simulator import Simulator

POLLS = 50
ROUNDS = 4
TWIN_ROUNDS = 20
DATABASES = ("sqlite", "mysql")
TWIN = "tests.twins.scan_look_then_write:app"


def test_a_session_is_handed_over_exactly_once(
    simulator: Simulator, each_service: Service, crowd: Crowd, figures: Callable[[str], None]
) -> None:
    service, database = each_service, each_service.dialect
    phone = signedin.native(service, simulator.code("racing"))
    seen = [_round(service, crowd, phone, with_refusal=number % 2 == 1) for number in range(ROUNDS)]
    assert [found for _, found in seen] == [[]] * ROUNDS
    approved = [outcome for outcome, _ in seen].count("approved")
    assert approved >= ROUNDS // 2
    assert service.count("sessions", f"user_id = {phone.user_id}") == 1 + approved
    figures(
        f"{POLLS} polls and 2 approvals, or an approval and a refusal, at once, {database}: {ROUNDS} of {ROUNDS} rounds"
        f" exact, {approved} approved and handed over once each, {ROUNDS - approved} refused"
    )


@pytest.mark.parametrize("database", DATABASES)
def test_the_check_finds_look_then_write(
    database: str,
    simulator: Simulator,
    start_briefly: Callable[..., Service],
    crowd: Crowd,
    figures: Callable[[str], None],
) -> None:
    twin = signedin.four_workers(start_briefly, "scan-twin", database, TWIN)
    phone = signedin.native(twin, simulator.code("racing twin"))
    for number in range(TWIN_ROUNDS):
        _, found = _round(twin, crowd, phone, with_refusal=number % 2 == 1)
        if any("sessions handed over" in problem for problem in found):
            break
    else:
        pytest.fail(f"{TWIN_ROUNDS} rounds of a broken twin, and each session was handed over once")
    figures(f"scan to sign in, twin on {database}, round {number}: {found}")


def _round(service: Service, crowd: Crowd, phone: SignedIn, *, with_refusal: bool) -> tuple[str, list[str]]:
    """Return what was decided, and what is wrong."""
    browser = scanning.start(service)
    assert scanning.phone(service, "scan", browser.ticket, phone.access).status_code == 200
    before = service.count("sessions", f"user_id = {phone.user_id}")
    decisions = random.sample(["approve", "refuse" if with_refusal else "approve"], 2)
    requests = [scanning.phone_request(service, what, browser.ticket, phone.access) for what in decisions]
    # Half of them come when the decision does, half while it is fresh.
    requests += [scanning.poll_request(service, browser, random.choice((0, 0.1))) for _ in range(POLLS)]
    answers = crowd.send(requests)
    service.keep_all(answers)
    last = scanning.poll(service, browser).json()["data"]
    decided, polled = answers[: len(decisions)], [_data(answer) for answer in answers[len(decisions) :]]
    told = {what for what, answer in zip(decisions, decided, strict=True) if answer.status == 200}
    handed_over = [data for data in [*polled, last] if data.get("tokens")]
    outcome = service.rows(f"SELECT state FROM scan_sign_ins WHERE id = '{browser.id}'")[0][0]
    is_approved = outcome == "approved"
    found = _violations(
        {
            "told": (told, {"approve" if is_approved else "refuse"}),
            "statuses": ({answer.status for answer in answers} - {200, 400}, set()),
            "sessions handed over": (len(handed_over), int(is_approved)),
            "sessions opened": (service.count("sessions", f"user_id = {phone.user_id}") - before, int(is_approved)),
            "states": ({data["state"] for data in polled} - {"scanned", "approved", "expired", "refused"}, set()),
            "last": (last["state"] in (("approved", "expired") if is_approved else ("refused",)), True),
        }
    )
    return outcome, found


def _data(answer: Answer) -> dict[str, Any]:
    return dict(answer.json()["data"]) if answer.status == 200 else {"state": f"status {answer.status}"}


def _violations(expected: dict[str, tuple[Any, Any]]) -> list[str]:
    return [f"{name}: {seen} instead of {right}" for name, (seen, right) in expected.items() if seen != right]
