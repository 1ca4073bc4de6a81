"""A database that is locked, loses a race, kills connections or fails: logins succeed, or say honestly to come back."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import Any

import pytest
import requests

from tests.harness.crowd import Crowd, Request, percentile, post
from tests.harness.processes import Process
from tests.harness.service import Service
from tests.harness.simulator import Simulator
from tests.harness.waiting import wait_until

pytestmark = pytest.mark.slow

LOGIN = "/api/v1/auth/login"
LOGINS = 20
# What a login may take before it is told to come back, beside the database.
IN_TIME = 6.0


def logins(simulator: Simulator, service: Service, users: list[str]) -> list[Request]:
    """A login of each of these users, ready to be sent."""
    return [post(service.url + LOGIN, {"code": simulator.code(user)}) for user in users]


class Background(threading.Thread):
    """A login that goes on while the test does something to the database."""

    def __init__(self, service: Service, code: str) -> None:
        super().__init__(daemon=True)
        self._service = service
        self._code = code
        self._answers: list[requests.Response] = []
        self.seconds = 0.0
        self.start()

    def run(self) -> None:
        started = time.monotonic()
        answer = requests.post(self._service.url + LOGIN, json={"code": self._code}, timeout=30)
        self.seconds = time.monotonic() - started
        self._answers.append(answer)

    def answer(self) -> requests.Response:
        self.join(30)
        self._service.keep(self._answers[0].headers, self._answers[0].content)
        return self._answers[0]


# --- SQLite -----------------------------------------------------------------------------------------------------


@contextmanager
def write_lock(service: Service) -> Iterator[None]:
    """Hold SQLite's write lock from this process."""
    with closing(service.connect()) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")


def test_twenty_logins_outwait_a_write_lock_of_three_seconds(
    simulator: Simulator, sqlite_service: Service, crowd: Crowd, figures: Callable[[str], None]
) -> None:
    requests = logins(simulator, sqlite_service, [f"outwaits-{n}" for n in range(LOGINS)])
    with ThreadPoolExecutor(1) as aside, write_lock(sqlite_service):
        waiting = aside.submit(crowd.send, requests)
        time.sleep(3)  # the set-up of the case itself
        assert not waiting.done()
    answers = waiting.result()
    sqlite_service.keep_all(answers)
    figures(f"SQLite locked for 3 s: {LOGINS} logins, the slowest took {max(a.seconds for a in answers):.2f} s")
    assert [answer.status for answer in answers] == [200] * LOGINS


def test_twenty_logins_are_told_to_come_back_when_the_lock_stays(
    simulator: Simulator, sqlite_service: Service, crowd: Crowd, figures: Callable[[str], None]
) -> None:
    requests = logins(simulator, sqlite_service, [f"comes-back-{n}" for n in range(LOGINS)])
    with write_lock(sqlite_service), closing(Crowd(1)) as onlooker:
        seen = onlooker.measure([Request("GET", f"{sqlite_service.url}/healthz")], 4)
        answers = crowd.send(requests)
        others = [answer.seconds for answer in seen.result(30)]
    sqlite_service.keep_all(answers)
    slowest = max(answer.seconds for answer in answers)
    figures(
        f"SQLite locked for as long as it takes: {LOGINS} logins, all answered, the slowest after {slowest:.2f} s; "
        f"/healthz meanwhile p99 {percentile(others, 99) * 1000:.0f} ms"
    )
    assert {answer.status for answer in answers} == {503}
    assert {answer.json()["error"] for answer in answers} == {"service_busy"}
    assert {answer.headers["Retry-After"] for answer in answers} == {"2"}
    assert slowest <= IN_TIME
    assert sqlite_service.login(simulator.code("comes-back-0")).status_code == 200


# --- MariaDB, MySQL ---------------------------------------------------------------------------------------------


@contextmanager
def transaction(service: Service) -> Iterator[Any]:
    """A cursor of another session, in a transaction that ends with the block unless it has ended before."""
    with closing(service.connect()) as connection:
        connection.begin()
        with connection.cursor() as cursor:
            yield cursor
        connection.rollback()


def is_stuck(service: Service) -> bool:
    """True while a statement about identities is being executed."""
    others = "db = DATABASE() AND id <> CONNECTION_ID()"
    return service.count("information_schema.processlist", f"{others} AND info LIKE '%identities%'") > 0


def user_of(simulator: Simulator, service: Service, name: str) -> int:
    """Let somebody sign in and return their id."""
    return int(service.login(simulator.code(name)).json()["data"]["user"]["id"])


def test_it_does_not_start_on_a_column_that_folds_case(start_briefly: Callable[..., Service]) -> None:
    service = start_briefly("folding", database="mysql", workers=1)
    service.process.stop()
    service.rows(
        "ALTER TABLE identities MODIFY openid VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci NOT NULL"
    )
    refused = Process(service._command, log=service.log, env=service.environment, cwd=service.folder)
    assert refused.wait(10) != 0
    assert (
        "these columns must be case-sensitive and are not: identities.openid (utf8mb4_general_ci)"
        in service.log.read_text()
    )


def test_the_victim_of_a_deadlock_runs_its_transaction_again(
    simulator: Simulator, mysql_service: Service, figures: Callable[[str], None]
) -> None:
    """The login locks the identity, then its user; this test the other way round, and with more work at stake."""
    rounds, seen = 10, mysql_service.log.read_text().count("runs again: OperationalError 1213")
    mysql_service.rows("CREATE TABLE IF NOT EXISTS ballast (id INT PRIMARY KEY)")
    user = user_of(simulator, mysql_service, "deadlocked")
    simulator.clear()
    for _ in range(rounds):
        with transaction(mysql_service) as cursor:
            # InnoDB lets the transaction die that has changed less.
            cursor.execute("INSERT INTO ballast SELECT seq FROM seq_1_to_200")
            cursor.execute(f"SELECT id FROM users WHERE id = {user} FOR UPDATE")
            login = Background(mysql_service, simulator.code("deadlocked", rotate=True))
            wait_until(lambda: is_stuck(mysql_service))
            cursor.execute(f"UPDATE identities SET created_at = created_at + 1 WHERE user_id = {user}")
        assert login.answer().status_code == 200
    mysql_service.rows("DROP TABLE ballast")
    deadlocks = mysql_service.log.read_text().count("runs again: OperationalError 1213") - seen
    figures(f"MariaDB, {rounds} deadlocks forced: {deadlocks} lost by the login, 0 answers other than 200")
    assert deadlocks == rounds
    assert len(simulator.journal()) == rounds  # WeChat was asked once per login


def test_ten_first_logins_survive_the_winner_taking_its_row_back(
    simulator: Simulator, mysql_service: Service, crowd: Crowd, figures: Callable[[str], None]
) -> None:
    """The duplicate-key deadlock: many wait to insert one key, its holder rolls back, all get in each other's way."""
    before = mysql_service.log.read_text().count("runs again: OperationalError 1213")
    for number in range(10):
        name = f"taken-back-{number}"
        openid = simulator.account(name)["openid"]
        requests = logins(simulator, mysql_service, [name] * 10)
        simulator.clear()
        with ThreadPoolExecutor(1) as aside, transaction(mysql_service) as cursor:
            _insert_identity(cursor, simulator.appid, openid)
            waiting = aside.submit(crowd.send, requests)
            wait_until(lambda: is_stuck(mysql_service))
        answers = waiting.result()
        mysql_service.keep_all(answers)
        assert [answer.status for answer in answers] == [200] * 10
        assert len({answer.json()["data"]["user"]["id"] for answer in answers}) == 1
        assert mysql_service.count("identities", f"openid = '{openid}'") == 1
        assert len(simulator.journal()) == 10
    deadlocks = mysql_service.log.read_text().count("runs again: OperationalError 1213") - before
    figures(f"MariaDB, 10 times 10 first logins behind an insert that is rolled back: {deadlocks} deadlocks, all 200")
    assert mysql_service.orphans() == []


def test_the_loser_of_a_first_login_gets_the_winners_user(simulator: Simulator, mysql_service: Service) -> None:
    """It waits for what the winner has inserted and not yet committed, and then finds the winner's row."""
    for number in range(20):
        name = f"loser-{number}"
        openid = simulator.account(name)["openid"]
        with transaction(mysql_service) as cursor:
            winner = _insert_identity(cursor, simulator.appid, openid)
            login = Background(mysql_service, simulator.code(name))
            wait_until(lambda: is_stuck(mysql_service))
            cursor.connection.commit()
        answer = login.answer()
        assert answer.status_code == 200, answer.text
        assert answer.json()["data"]["user"]["id"] == str(winner)
        assert answer.json()["data"]["is_new_user"] is False
        assert mysql_service.count("identities", f"openid = '{openid}'") == 1
    assert mysql_service.orphans() == []


def _insert_identity(cursor: Any, appid: str, openid: str) -> int:
    """What another login would insert, and leave uncommitted."""
    cursor.execute("INSERT INTO users (created_at, updated_at, last_login_at) VALUES (1, 1, 1)")
    user = int(cursor.lastrowid)
    cursor.execute(
        "INSERT INTO identities (appid, openid, user_id, session_key, created_at) VALUES (%s, %s, %s, 'x', 1)",
        (appid, openid, user),
    )
    return user


@pytest.mark.parametrize(("held_for", "status"), [(3.0, 200), (IN_TIME + 2, 503)])
def test_a_lock_on_the_users_row_is_outwaited_or_given_up(
    simulator: Simulator, mysql_service: Service, held_for: float, status: int, figures: Callable[[str], None]
) -> None:
    user = user_of(simulator, mysql_service, f"locked-{status}")
    simulator.clear()
    with transaction(mysql_service) as cursor:
        cursor.execute(f"SELECT id FROM users WHERE id = {user} FOR UPDATE")
        login = Background(mysql_service, simulator.code(f"locked-{status}"))
        login.join(held_for)
    answer = login.answer()
    figures(f"MariaDB, row locked for {held_for:.0f} s: answered {answer.status_code} after {login.seconds:.2f} s")
    assert answer.status_code == status
    assert login.seconds <= IN_TIME + 0.5
    assert len(simulator.journal()) == 1
    if status == 503:
        assert (answer.json()["error"], answer.headers["Retry-After"]) == ("service_busy", "2")


def test_killed_connections_are_invisible(simulator: Simulator, mysql_service: Service, crowd: Crowd) -> None:
    people = [f"killed-{number}" for number in range(LOGINS)]
    assert {answer.status for answer in crowd.send(logins(simulator, mysql_service, people))} == {200}
    killed = 0
    with closing(mysql_service.connect()) as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT id FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID()"
            " AND command = 'Sleep'"
        )
        for (number,) in cursor.fetchall():
            cursor.execute(f"KILL {number}")
            killed += 1
    assert killed >= 4
    assert {answer.status for answer in crowd.send(logins(simulator, mysql_service, people * 2))} == {200}
    assert mysql_service.call("GET", "/readyz").status_code == 200


# --- what is counted in it: failures to open encrypted data ------------------------------------------------------


def login_sealed(service: Service, code: str, sealed: dict[str, str]) -> requests.Response:
    encrypted = {name: sealed[name] for name in ("encryptedData", "iv")}
    return service.login(code, json=encrypted)


def seen_by_the_caller(reply: requests.Response) -> tuple[int, dict[str, str], bytes]:
    headers = {name: value for name, value in reply.headers.items() if name not in ("Date", "X-Request-ID")}
    return reply.status_code, headers, reply.content.replace(reply.headers["X-Request-ID"].encode(), b"")


def test_five_tampered_payloads_close_a_session_key_without_showing_it(
    simulator: Simulator, each_service: Service
) -> None:
    name = "tampered-with"
    good = simulator.sealed(name) if simulator.code(name) else {}
    other = simulator.sealed("somebody else") if simulator.code("somebody else") else {}
    assert login_sealed(each_service, simulator.code(name), good).status_code == 200
    tampered = [
        {**good, "iv": other["iv"]},
        {**good, "encryptedData": other["encryptedData"]},
        {**good, "encryptedData": good["encryptedData"][64:]},
        simulator.sealed(name, timestamp=1),
        simulator.sealed(name, watermark={"appid": "wxba5fad812f8e6fb9", "timestamp": int(time.time())}),
    ]
    refusals = [login_sealed(each_service, simulator.code(name), payload) for payload in tampered]
    refusals.append(login_sealed(each_service, simulator.code(name), simulator.sealed(name)))  # nothing wrong with it
    assert {reply.status_code for reply in refusals} == {400}
    assert len({repr(seen_by_the_caller(reply)) for reply in refusals}) == 1

    assert each_service.login(simulator.code(name)).status_code == 200  # without data, as before
    code = simulator.code(name, rotate=True)
    assert login_sealed(each_service, code, simulator.sealed(name)).status_code == 200  # a new key, five new tries


def test_data_sealed_just_before_wx_login_replaced_the_key_still_opens(
    simulator: Simulator, each_service: Service
) -> None:
    first = simulator.code("tapped-early")
    assert each_service.login(first).status_code == 200
    phone = simulator.call("POST", "/phone/phonenumber", {"appid": simulator.appid, "user": "tapped-early"})
    profile = simulator.sealed("tapped-early")
    for sealed in (phone, profile):
        code = simulator.code("tapped-early", rotate=sealed is phone)
        assert login_sealed(each_service, code, sealed).status_code == 200

    stranger = simulator.sealed("stranger") if simulator.code("stranger") else {}
    code = simulator.code("stranger", rotate=True)
    assert login_sealed(each_service, code, stranger).status_code == 400  # nobody here has ever had that key
