"""``flask authsvc users`` and ``audit``: what an operator sees, does, and is told when it cannot be done."""

import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from click.testing import Result

from authsvc.app import create_app
from authsvc.cli import authsvc
from authsvc.config import Settings
from tests.harness.service import Service
from tests.harness.signedin import native, refreshed, tapped
from tests.harness.simulator import Simulator

Run = Callable[..., Result]


@pytest.fixture
def run(each_service: Service) -> Iterator[Run]:
    """Runs a command in this process, on the database of a service that goes on beside it."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    app = create_app(Settings.from_env(each_service.environment))
    runner = app.test_cli_runner()

    def invoke(*arguments: object, code: int = 0) -> Result:
        result: Result = runner.invoke(authsvc, list(map(str, arguments)))
        assert result.exit_code == code, (arguments, result.output, result.exception)
        return result

    yield invoke
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def mei(each_service: Service, simulator: Simulator) -> Callable[..., tuple[int, str]]:
    """Sign somebody in; return their id and access token."""

    def sign_in(name: str = "mei") -> tuple[int, str]:
        signed = native(each_service, simulator, f"shell-{name}")
        return int(signed.user_id), signed.access

    return sign_in


def status(service: Service, token: str) -> int:
    return service.call("GET", "/api/v1/me", token=token).status_code


def events(run: Run, *arguments: object) -> list[dict[str, Any]]:
    return [json.loads(line) for line in run("audit", "--json", *arguments).stdout.splitlines()]


def test_a_user_is_found_by_each_of_four_things_with_the_phone_masked(
    run: Run, mei: Callable[..., tuple[int, str]], each_service: Service, simulator: Simulator
) -> None:
    user_id, token = mei("found")
    each_service.call("PUT", "/api/v1/me", token=token, json={"nickname": "Fei 100%_found"})
    phone = simulator.call("GET", "/control/users/shell-found")["phone"]
    data = tapped(simulator, "shell-found")
    assert each_service.call("POST", "/api/v1/me/phone", token=token, json=data).status_code == 200
    openid = simulator.account("shell-found")["openid"]
    ways = [("--id", user_id), ("--phone", phone), ("--phone", f"+86 {phone}"), ("--openid", openid)]
    ways += [("--nickname", "Fei 100%_f"), ("--nickname", "fei")]
    for way in ways:
        shown = run("users", "find", *way).stdout
        assert str(user_id) in shown and "Fei 100%_found" in shown
        assert phone not in shown and phone[-4:] in shown
        assert [user["id"] for user in json.loads(run("users", "find", *way, "--json").stdout)] == [user_id]
    assert f"+86{phone}" in run("users", "find", "--id", user_id, "--full").stdout
    for way in (
        ("--id", 10**9),
        ("--nickname", "Fei 100 "),
        ("--openid", openid.swapcase()),
        ("--phone", "+8613000000000"),
    ):
        assert run("users", "find", *way, code=1).stderr.startswith("Error: ")
    assert "not a phone number" in run("users", "find", "--phone", "12", code=1).stderr
    run("users", "find", code=2)
    run("users", "find", "--id", 1, "--nickname", "x", code=2)

    shown = run("users", "show", user_id).stdout
    assert phone not in shown and openid not in shown and "live sessions  1" in shown
    full = run("users", "show", user_id, "--full").stdout
    assert f"+86{phone}" in full and openid in full
    assert "there is no user" in run("users", "show", 10**9, code=1).stderr


def test_whoever_is_disabled_is_out_at_once_and_whoever_is_enabled_signs_in_again(
    run: Run, mei: Callable[..., tuple[int, str]], each_service: Service, simulator: Simulator
) -> None:
    user_id, token = mei("disabled")
    run("users", "disable", user_id)
    assert status(each_service, token) in (401, 403)
    assert each_service.login(simulator.code("shell-disabled")).json()["error"] == "account_disabled"
    assert "already disabled" in run("users", "disable", user_id, code=1).stderr
    assert "there is no user" in run("users", "disable", 10**9, code=1).stderr
    run("users", "enable", user_id)
    assert "not disabled" in run("users", "enable", user_id, code=1).stderr
    assert status(each_service, token) == 401
    assert status(each_service, mei("disabled")[1]) == 200
    assert [event["event"] for event in events(run, "--user", user_id)] == ["register", "disable", "enable"]


def test_who_was_erased_while_disabled_registers_again_when_the_ban_is_lifted_by_openid(
    run: Run, mei: Callable[..., tuple[int, str]], each_service: Service, simulator: Simulator
) -> None:
    user_id, _ = mei("banned")
    openid = simulator.account("shell-banned")["openid"]
    run("users", "disable", user_id)
    assert f"enable {user_id}" in run("users", "enable", "--openid", openid, code=1).stderr
    run("users", "erase", user_id, "--yes")
    assert each_service.login(simulator.code("shell-banned")).json()["error"] == "account_disabled"
    assert "not disabled" in run("users", "enable", user_id, code=1).stderr
    assert "no ban" in run("users", "enable", "--phone", "+8613000000000", code=1).stderr
    assert "not a phone number" in run("users", "enable", "--phone", "12", code=1).stderr
    for usage in ((), (user_id, "--openid", openid)):
        run("users", "enable", *usage, code=2)
    assert run("users", "enable", "--openid", openid).stdout == "lifted  1 marks\n"
    assert mei("banned")[0] > user_id
    lifted = events(run, "--openid", openid, "--event", "enable")
    assert [(event["user_id"], event["detail"]) for event in lifted] == [(None, "by the operator, after an erasure")]


def test_sessions_are_listed_and_ended(run: Run, each_service: Service, simulator: Simulator) -> None:
    signed = [native(each_service, simulator, "shell-out") for _ in range(3)]
    user_id = signed[0].user_id
    listed = json.loads(run("users", "sessions", user_id, "--json").stdout)
    assert {entry["id"] for entry in listed} == {one.sid for one in signed}
    assert signed[0].sid in run("users", "sessions", user_id).stdout
    assert run("users", "logout", user_id).stdout == "ended  3\n"
    assert [status(each_service, one.access) for one in signed] == [401, 401, 401]
    assert refreshed(each_service, signed[0].refresh).status_code == 401
    assert json.loads(run("users", "sessions", user_id, "--json").stdout) == []
    assert [event["event"] for event in events(run, "--user", user_id)] == ["register", "logout_global"]
    for command in ("sessions", "logout"):
        assert "there is no user" in run("users", command, 10**9, code=1).stderr


WHY = ("--reason", "ticket 4711")


def test_two_users_become_one_when_the_operator_says_so(
    run: Run, mei: Callable[..., tuple[int, str]], each_service: Service, simulator: Simulator
) -> None:
    (loser, token), (winner, other) = mei("loser"), mei("winner")
    data = tapped(simulator, "shell-loser")
    assert each_service.call("POST", "/api/v1/me/phone", token=token, json=data).status_code == 200
    code = each_service.call("GET", "/api/v1/me/invite", token=token).json()["data"]["invite_code"]
    guest = native(each_service, simulator, "shell-guest", json={"invite_code": code}).user_id

    shown = " ".join(run("users", "merge", loser, "--into", winner, "--preview").stdout.split())
    for line in (
        "moves phone moves",
        "own invite none",
        "invite codes 1 move",
        "invited people 1 move",
        "sessions 1 end",
    ):
        assert line in shown, shown
    as_json = json.loads(run("users", "merge", loser, "--into", winner, "--preview", "--json").stdout)
    assert (as_json["phone"], as_json["guests"], len(as_json["identities"])) == ("moves", 1, 1)
    assert status(each_service, token) == 200
    assert "give --reason" in run("users", "merge", loser, "--into", winner, "--yes", code=2).stderr
    assert (
        "say why, in one line"
        in run("users", "merge", loser, "--into", winner, "--reason", "a\nb", "--yes", code=1).stderr
    )
    assert "nobody is there to ask; add --yes" in run("users", "merge", loser, "--into", winner, *WHY, code=1).stderr
    assert status(each_service, token) == 200
    run("users", "merge", loser, "--into", winner, *WHY, "--yes")
    assert status(each_service, token) in (401, 403) and status(each_service, other) == 200
    again = mei("loser")
    assert again[0] == winner
    phone = simulator.call("GET", "/control/users/shell-loser")["phone"]
    assert each_service.call("GET", "/api/v1/me", token=again[1]).json()["data"]["phone"] == f"+86{phone}"
    assert each_service.rows(f"SELECT owner_id FROM invite_codes WHERE code = '{code}'") == [(winner,)]
    assert each_service.rows(f"SELECT invited_by_id FROM users WHERE id = {guest}") == [(winner,)]
    for pair, said in (
        ((loser, winner), "is closed"),
        ((winner, winner), "both ids are the same user"),
        ((10**9, winner), "there is no user"),
    ):
        assert said in run("users", "merge", pair[0], "--into", pair[1], *WHY, "--yes", code=1).stderr
    assert f"merged into {winner}" in " ".join(run("users", "show", loser).stdout.split())
    assert [(event["event"], event["detail"]) for event in events(run, "--user", winner)][1:] == [
        ("merge", f"merged user {loser}: ticket 4711"),
        ("phone_bound", f"of user {loser}"),
    ]
    assert "erase that one" in run("users", "erase", loser, "--yes", code=1).stderr
    assert run("users", "unmerge", loser, *WHY).stdout.split() == ["unmerged", str(loser), "from", str(winner)]
    assert mei("loser")[0] == loser and mei("winner")[0] == winner
    assert each_service.rows(f"SELECT owner_id FROM invite_codes WHERE code = '{code}'") == [(loser,)]
    assert each_service.rows(f"SELECT invited_by_id FROM users WHERE id = {guest}") == [(loser,)]
    assert "can still be undone" in run("users", "unmerge", loser, *WHY, code=1).stderr


def test_an_erased_user_is_gone_after_a_question_and_found_in_the_audit_log_by_openid(
    run: Run, mei: Callable[..., tuple[int, str]], each_service: Service, simulator: Simulator
) -> None:
    user_id, token = mei("erased")
    openid = simulator.account("shell-erased")["openid"]
    run("users", "erase", user_id, code=1)
    assert status(each_service, token) == 200
    run("users", "erase", user_id, "--yes")
    assert status(each_service, token) == 401
    assert each_service.count("users", f"id = {user_id}") == 0
    assert "there is no user" in run("users", "erase", user_id, "--yes", code=1).stderr
    assert mei("erased")[0] != user_id

    found = events(run, "--openid", openid)
    assert [(event["event"], event["user_id"] == user_id) for event in found] == [
        ("register", True),
        ("erase", True),
        ("register", False),
    ]
    (subject,) = {event["subject"] for event in found}
    assert len(subject) == 64 and openid not in json.dumps(found)
    assert each_service.count("audit_events", f"detail LIKE '%{openid}%'") == 0


def test_the_audit_log_is_filtered(run: Run, mei: Callable[..., tuple[int, str]], each_service: Service) -> None:
    user_id, _ = mei("audited")
    (event,) = events(run, "--user", user_id)
    assert set(event) == {"id", "at", "event", "user_id", "subject", "detail", "request_id", "operator"}
    line = run("audit", "--user", user_id).stdout
    assert " register " in line and f"user {user_id}" in line and event["subject"][:12] in line
    each_service.rows(f"UPDATE audit_events SET at = at - 7200 WHERE user_id = {user_id}")
    assert events(run, "--user", user_id, "--since", "1h") == []
    assert len(events(run, "--user", user_id, "--since", "3h")) == 1
    assert len(events(run, "--user", user_id, "--since", "2020-01-01")) == 1
    assert events(run, "--user", user_id, "--since", "2100-01-01T00:00:00Z") == []
    assert len(events(run, "--limit", 1)) == 1
    assert events(run, "--user", user_id, "--event", "erase") == []
    assert "is not a time" in run("audit", "--since", "yesterday", code=2).stderr


def test_every_change_of_credentials_has_its_event(run: Run, each_service: Service) -> None:
    name = f"audited-{each_service.schema is not None}".lower()
    credential = run("services", "add", name, "--scope", "metrics").stdout.strip()
    said = run("services", "add", name, code=1).stderr
    assert said == (
        f"Error: there is already a credential {name}: choose another name, or run first: "
        f"authsvc services remove {name}\n"
    )
    run("services", "remove", name, "--yes")
    run("services", "remove", name, "--yes", code=1)
    found = [event for event in events(run) if event["event"].startswith("credential_") and name in event["detail"]]
    assert [(event["event"], event["detail"]) for event in found] == [
        ("credential_add", f"{name}: metrics"),
        ("credential_remove", name),
    ]
    assert credential.partition(".")[2] not in json.dumps(found)
