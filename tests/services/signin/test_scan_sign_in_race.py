"""Fifty polls and two decisions at once, alike or opposite: one decision holds, and one session comes of it."""

from collections.abc import Callable
from itertools import cycle
from typing import Any

import pytest

from tests.harness import scanning, signedin
from tests.harness.crowd import Answer
from tests.harness.races import Race, violations
from tests.harness.service import Service
from tests.harness.signedin import Person

pytestmark = pytest.mark.slow

POLLS = 50
ROUNDS = 4
TWIN = "tests.twins.scan_look_then_write:app"


def test_a_session_is_handed_over_exactly_once(each_service: Service, race_on: Callable[[Service], Race]) -> None:
    service, race = each_service, race_on(each_service)
    phone = signedin.native(service, race.simulator, "racing")
    seen = [_round(race, phone, with_refusal=number % 2 == 1) for number in range(ROUNDS)]
    assert [found for _, found in seen] == [[]] * ROUNDS
    approved = [outcome for outcome, _ in seen].count("approved")
    assert approved >= ROUNDS // 2
    assert service.count("sessions", f"user_id = {phone.user_id}") == 1 + approved
    race.note(
        f"{POLLS} polls and 2 approvals, or an approval and a refusal, at once",
        f"{ROUNDS} of {ROUNDS} rounds exact, {approved} approved and handed over once each, "
        f"{ROUNDS - approved} refused",
    )


def test_the_check_finds_look_then_write(start_race: Callable[..., Race]) -> None:
    race = start_race("scan-twin", TWIN)
    phone = signedin.native(race.service, race.simulator, "racing twin")
    refusals = cycle((False, True))
    found = race.catch(lambda race, _: _round(race, phone, with_refusal=next(refusals))[1], "sessions handed over")
    race.note("scan to sign in, twin", found)


def _round(race: Race, phone: Person, *, with_refusal: bool) -> tuple[str, list[str]]:
    """Return what was decided, and what is wrong."""
    service = race.service
    browser = scanning.start(service)
    assert scanning.phone(service, "scan", browser.ticket, phone.access).status_code == 200
    before = service.count("sessions", f"user_id = {phone.user_id}")
    decisions = race.chance.sample(["approve", "refuse" if with_refusal else "approve"], 2)
    requests = [scanning.phone_request(service, what, browser.ticket, phone.access) for what in decisions]
    # Half of them come when the decision does, half while it is fresh.
    requests += [scanning.poll_request(service, browser, race.chance.choice((0, 0.1))) for _ in range(POLLS)]
    answers = race.send(requests)
    last = scanning.poll(service, browser).json()["data"]
    decided, polled = answers[: len(decisions)], [_data(answer) for answer in answers[len(decisions) :]]
    told = {what for what, answer in zip(decisions, decided, strict=True) if answer.status == 200}
    handed_over = [data for data in [*polled, last] if data.get("tokens")]
    outcome = service.rows(f"SELECT state FROM scan_sign_ins WHERE id = '{browser.id}'")[0][0]
    is_approved = outcome == "approved"
    found = violations(
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
