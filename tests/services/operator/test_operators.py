"""Operators: their credentials, roles and sessions, and what ends a session at once."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from authsvc.db.database import Database
from authsvc.errors import ServiceBusy, Unauthenticated
from authsvc.services.operator.operators import IDLE_SECONDS, MOST_SESSIONS, SESSION_SECONDS, BadOperator, Operators
from authsvc.values.operator import OperatorRole, SignedInOperator
from tests.harness.inprocess import AUDIT, SECRET, Clock, counts, rows

OTHER_SECRET = bytes(reversed(SECRET))


@pytest.fixture
def operators(each_database: Database, clock: Clock) -> Operators:
    return Operators(each_database, (SECRET,), AUDIT, clock)


def refused(act: Callable[..., object], *arguments: object) -> str:
    with pytest.raises(Unauthenticated) as caught:
        act(*arguments)
    return str(caught.value)


@pytest.mark.parametrize(
    "role, allowed", [("read", ["read"]), ("support", ["read", "support"]), ("owner", ["read", "support", "owner"])]
)
def test_a_role_may_what_the_ones_before_it_may(role: OperatorRole, allowed: list[OperatorRole]) -> None:
    roles: tuple[OperatorRole, ...] = ("read", "support", "owner")
    assert [wanted for wanted in roles if SignedInOperator("a", role).may(wanted)] == allowed
    assert not SignedInOperator("a", "root").may("read")  # type: ignore[arg-type]


def test_a_credential_is_of_one_operator_and_stored_as_a_hash(operators: Operators, each_database: Database) -> None:
    credential = operators.add("alice", "support")
    found = operators.of_credential(credential)
    assert (found.name, found.role, found.session, found.csrf) == ("alice", "support", "", "")
    stored = rows(each_database, "SELECT * FROM operators")
    assert credential.partition(".")[2] not in str(stored)
    [kept] = operators.list_all()
    assert kept.last_used_at is not None and kept.secret_hash not in repr(kept)


def test_every_wrong_credential_is_refused_alike(operators: Operators) -> None:
    credential = operators.add("alice", "read")
    secret = credential.partition(".")[2]
    wrong = [None, "", "alice", "alice.", f"bob.{secret}", f"alice.{'A' * 43}", f"{credential} ", f"ALICE.{secret}"]
    for act in (operators.of_credential, operators.sign_in):
        assert {refused(act, each) for each in wrong} == {"no valid credential of an operator"}


def test_names_and_roles_are_checked_and_a_name_is_never_given_again(operators: Operators) -> None:
    for name in ("", "Alice", "a.b", "a" * 41, "-a", "爱丽丝"):
        with pytest.raises(BadOperator, match="a name must be"):
            operators.add(name, "read")
    with pytest.raises(BadOperator, match="a role must be one of read, support, owner"):
        operators.add("alice", "root")  # type: ignore[arg-type]
    operators.add("alice", "read")
    operators.remove("alice")
    with pytest.raises(BadOperator, match="is, or was, the name"):
        operators.add("alice", "read")
    for act in (operators.remove, operators.rotate, lambda name: operators.set_role(name, "owner")):
        with pytest.raises(BadOperator, match="there is no operator alice"):
            act("alice")


def test_a_session_is_known_by_its_token_alone(operators: Operators, each_database: Database) -> None:
    credential = operators.add("alice", "owner")
    token, other = operators.sign_in(credential), operators.sign_in(credential)
    found = operators.of_session(token)
    assert (found.name, found.role) == ("alice", "owner")
    assert token not in str(rows(each_database, "SELECT * FROM operator_sessions"))
    assert found.csrf not in repr(found) and found.session not in repr(found)
    assert operators.is_own_form(token, found.csrf) and not operators.is_own_form(other, found.csrf)
    assert not operators.is_own_form(token, "") and not operators.is_own_form(token, "表单")
    for wrong in (None, "", credential, token[:-1], f"{token} ", "A" * 43):
        refused(operators.of_session, wrong)
    refused(operators.of_credential, token)


def test_a_session_ends_when_it_is_idle_and_after_half_a_day(operators: Operators, clock: Clock) -> None:
    token = operators.sign_in(operators.add("alice", "read"))
    began = clock.moment
    while clock.moment < began + SESSION_SECONDS - IDLE_SECONDS:
        clock.moment += IDLE_SECONDS - 60
        operators.of_session(token)
    clock.moment = began + SESSION_SECONDS
    refused(operators.of_session, token)
    clock.moment = began
    idle = operators.sign_in(operators.add("bob", "read"))
    clock.moment += IDLE_SECONDS
    refused(operators.of_session, idle)


@pytest.mark.parametrize("ending", ["sign out", "role", "rotate", "remove"])
def test_what_changes_an_operator_ends_their_sessions_at_once(operators: Operators, ending: str) -> None:
    credential, other = operators.add("alice", "owner"), operators.sign_in(operators.add("bob", "read"))
    tokens = [operators.sign_in(credential) for _ in range(1 if ending == "sign out" else 2)]
    if ending == "sign out":
        operators.sign_out(operators.of_session(tokens[0]))
    elif ending == "role":
        operators.set_role("alice", "read")
        assert operators.of_credential(credential).role == "read"
    elif ending == "rotate":
        fresh = operators.rotate("alice")
        refused(operators.of_credential, credential)
        assert operators.of_credential(fresh).name == "alice"
    else:
        operators.remove("alice")
        refused(operators.of_credential, credential)
        refused(operators.sign_in, credential)
    for token in tokens:
        refused(operators.of_session, token)
    assert operators.of_session(other).name == "bob"


def test_only_the_latest_sessions_of_an_operator_live(
    operators: Operators, each_database: Database, clock: Clock
) -> None:
    credential = operators.add("alice", "read")
    tokens = []
    for _ in range(MOST_SESSIONS + 2):
        clock.moment += 1
        tokens.append(operators.sign_in(credential))
    assert counts(each_database)["operator_sessions"] == MOST_SESSIONS
    for token in tokens[:2]:
        refused(operators.of_session, token)
    assert all(operators.of_session(token) for token in tokens[2:])


def test_secret_keys_can_change(each_database: Database, clock: Clock) -> None:
    before = Operators(each_database, (SECRET,), AUDIT, clock)
    credential = before.add("alice", "read")
    token = before.sign_in(credential)
    after = Operators(each_database, (OTHER_SECRET, SECRET), AUDIT, clock)
    assert after.of_credential(credential).name == after.of_session(token).name == "alice"
    assert after.is_own_form(token, before.of_session(token).csrf)
    refused(Operators(each_database, (OTHER_SECRET,), AUDIT, clock).of_credential, credential)


def test_every_change_is_audited_with_whoever_did_it(operators: Operators, each_database: Database) -> None:
    operators.add("alice", "owner")
    credential = operators.add("bob", "read", by="alice")
    operators.sign_out(operators.of_session(operators.sign_in(credential)))
    operators.set_role("bob", "support", by="alice")
    secret = operators.rotate("bob", by="alice").partition(".")[2]
    operators.remove("bob", by="alice")
    found = rows(each_database, "SELECT event, detail, operator FROM audit_events ORDER BY id")
    assert found == [
        ("operator_add", "alice: owner", ""),
        ("operator_add", "bob: read", "alice"),
        ("operator_sign_in", "", "bob"),
        ("operator_sign_out", "", "bob"),
        ("operator_role", "bob: support", "alice"),
        ("operator_rotate", "bob", "alice"),
        ("operator_remove", "bob", "alice"),
    ]
    assert secret not in str(found)


@pytest.mark.parametrize("ending", ["rotate", "remove"])
def test_no_session_of_the_old_credential_outlives_its_end(
    operators: Operators, each_database: Database, ending: str
) -> None:
    """Sign-ins at the very moment: each is refused, or its session ends with the others."""
    for turn in range(40):
        credential = operators.add(f"alice-{ending}-{turn}", "owner")
        begin = threading.Barrier(5)

        def sign_in(credential: str = credential, begin: threading.Barrier = begin) -> str | None:
            begin.wait()
            try:
                return operators.sign_in(credential)
            except (Unauthenticated, ServiceBusy):
                return None

        def end(name: str = f"alice-{ending}-{turn}", begin: threading.Barrier = begin) -> None:
            begin.wait()
            getattr(operators, ending)(name)

        with ThreadPoolExecutor(5) as pool:
            done = [pool.submit(sign_in) for _ in range(4)]
            pool.submit(end).result()
            for token in filter(None, [each.result() for each in done]):
                refused(operators.of_session, token)
    assert counts(each_database)["operator_sessions"] == 0
