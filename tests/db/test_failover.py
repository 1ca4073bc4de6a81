"""A MariaDB that turns read-only, freezes, restarts, loses rights or room: what people, operators and probes are told.

The server is this module's own; a forwarder stands before it as a proxy or a virtual address would, and can lead to
another server from one moment to the next.
"""

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, get_args

import pytest
import requests
from sqlalchemy import create_engine

from authsvc.app import MIGRATIONS
from authsvc.db import engine as engine_room
from authsvc.db.database import Database
from authsvc.db.fitness import Condition
from authsvc.errors import DatabaseUnusable
from tests.harness.crowd import Crowd, Request, percentile, post
from tests.harness.inprocess import migrated_database
from tests.harness.mariadb import MariaDBServer
from tests.harness.processes import Process, free_port
from tests.harness.service import Service
from tests.harness.sha2front import Plugin, Sha2Front
from tests.harness.simulator import Simulator
from tests.harness.sockets import Forwarder
from tests.harness.waiting import wait_until

pytestmark = pytest.mark.slow

LOGIN = "/api/v1/auth/login"
SCHEMA = "authsvc"
OPTIONS = ("--innodb-file-per-table=0", "--plugin-load-add=auth_ed25519")
# What a request may take when the database does not answer at all.
ANSWERED_IN = 5.5


def _prepared(server: MariaDBServer) -> MariaDBServer:
    server.sql(
        f"CREATE DATABASE {SCHEMA} CHARACTER SET utf8mb4",
        "CREATE USER app@127.0.0.1 IDENTIFIED BY 'app-password'",
        f"GRANT ALL ON {SCHEMA}.* TO app@127.0.0.1",
    )
    with migrated_database(server.url(SCHEMA)):
        return server


@pytest.fixture(scope="module")
def primary(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MariaDBServer]:
    """All tables in one file that does not grow: it can be filled."""
    server = MariaDBServer(tmp_path_factory.mktemp("primary"), *OPTIONS, "--innodb-data-file-path=ibdata1:32M")
    yield _prepared(server)
    server.remove()


@pytest.fixture(scope="module")
def spare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MariaDBServer]:
    server = MariaDBServer(tmp_path_factory.mktemp("spare"))
    yield _prepared(server)
    server.remove()


@pytest.fixture(scope="module")
def road(primary: MariaDBServer) -> Iterator[Forwarder]:
    forwarder = Forwarder(primary.port)
    yield forwarder
    forwarder.close()


@pytest.fixture(scope="module")
def served(road: Forwarder, start_service: Callable[..., Service]) -> Iterator[Service]:
    url = f"mysql://app:app-password@127.0.0.1:{road.port}/{SCHEMA}"
    started = start_service("failover", migrated=False, settings={"DATABASE_URL": url})
    yield started
    started.stop()


@pytest.fixture(autouse=True)
def well(served: Service, simulator: Simulator) -> None:
    """Every worker has a connection or two, and every test begins with a ready service."""
    people = [f"before-{number}" for number in range(6)]
    with ThreadPoolExecutor(6) as many:
        wait_until(
            lambda: {found.status_code for found in many.map(partial(login, simulator, served), people)} == {200}
        )
    becomes_ready(served)
    simulator.clear()


def login(simulator: Simulator, service: Service, name: str) -> requests.Response:
    """Sign in on a connection of its own, so that any worker may serve it."""
    answer = requests.post(service.url + LOGIN, json={"code": simulator.code(name)}, timeout=30)
    service.keep(answer.headers, answer.content)
    return answer


def readiness(service: Service) -> tuple[int, Any]:
    answer = requests.get(f"{service.url}/readyz", timeout=30)
    service.keep(answer.headers, answer.content)
    return answer.status_code, answer.json().get("reasons", {}).get("database")


def becomes_ready(service: Service) -> None:
    """Each worker knows by itself: several asked in a row are all of them."""
    wait_until(lambda: {readiness(service) for _ in range(6)} == {(200, None)})


def asked_of_wechat(simulator: Simulator) -> int:
    return sum(entry["path"] == "/sns/jscode2session" for entry in simulator.journal())


def assert_told_to_come_back(answer: requests.Response) -> None:
    assert (answer.status_code, answer.json()["error"], answer.headers["Retry-After"]) == (503, "service_busy", "2")


def assert_told_that_it_is_ours(answer: requests.Response) -> None:
    told = answer.json()
    assert (answer.status_code, told["error"], told["action"]) == (500, "database_unusable", "contact")
    assert "Retry-After" not in answer.headers


# --- a server that cannot write -----------------------------------------------------------------------------------


def test_a_failover_costs_no_login_and_no_code(
    simulator: Simulator,
    served: Service,
    primary: MariaDBServer,
    spare: MariaDBServer,
    road: Forwarder,
    figures: Callable[[str], None],
) -> None:
    """The old primary lives on, read-only, and every pooled connection still leads to it."""
    primary.sql("SET GLOBAL read_only = 1")
    road.target = spare.port
    switched = time.monotonic()
    people = [f"failover-{number}" for number in range(12)]
    with ThreadPoolExecutor(12) as many:
        answers = list(many.map(lambda name: login(simulator, served, name), people))
    took = time.monotonic() - switched
    assert {answer.status_code for answer in answers} == {200}
    assert asked_of_wechat(simulator) == len(people)
    assert spare.sql("SELECT COUNT(*) FROM identities", schema=SCHEMA) == [(len(people),)]
    figures(f"MariaDB, primary turned read-only, forwarder switched: {len(people)} logins, all 200 after {took:.2f} s")
    becomes_ready(served)
    primary.sql("SET GLOBAL read_only = 0")
    # And back again: connections that were made since are as old as the rest by then.
    spare.sql("SET GLOBAL read_only = 1")
    road.target = primary.port
    assert login(simulator, served, "failover-0").status_code == 200


def test_without_a_new_primary_logins_come_back_and_readiness_names_it(
    simulator: Simulator, served: Service, primary: MariaDBServer
) -> None:
    primary.sql("SET GLOBAL read_only = 1")
    for number in range(4):
        assert_told_to_come_back(login(simulator, served, f"nowhere-{number}"))
    wait_until(lambda: {readiness(served) for _ in range(6)} == {(503, "read_only")})
    primary.sql("SET GLOBAL read_only = 0")
    assert login(simulator, served, "nowhere-0").status_code == 200
    becomes_ready(served)


def test_readiness_finds_out_by_itself_that_it_cannot_write(served: Service, primary: MariaDBServer) -> None:
    primary.sql("SET GLOBAL read_only = 1")
    wait_until(lambda: {readiness(served) for _ in range(6)} == {(503, "read_only")}, 4)
    primary.sql("SET GLOBAL read_only = 0")
    becomes_ready(served)
    rows = primary.sql("SELECT COUNT(*) FROM decrypt_failures", schema=SCHEMA)
    assert rows == [(0,)]  # it looks, and leaves nothing


def test_readiness_costs_the_database_nothing_however_often_it_is_asked(
    served: Service, primary: MariaDBServer, crowd: Crowd
) -> None:
    def statements() -> int:
        return int(primary.sql("SHOW GLOBAL STATUS LIKE 'Questions'")[0][1])

    wait_until(lambda: readiness(served)[0] == 200)
    before = statements()
    answers = crowd.send([Request("GET", f"{served.url}/readyz")] * 200)
    assert {answer.status for answer in answers} == {200}
    # Two workers, a look each and perhaps a second one; a thorough look is three statements a table.
    assert statements() - before < 200


# --- what waiting does not cure -----------------------------------------------------------------------------------


def _fill(server: MariaDBServer) -> None:
    server.sql(f"CREATE TABLE {SCHEMA}.ballast (id INT AUTO_INCREMENT PRIMARY KEY, filling LONGBLOB)")
    for size in (2**20, 2**17, 2**14, 2**10, 100):
        with pytest.raises(Exception, match="is full"):
            while True:
                server.sql(f"INSERT INTO {SCHEMA}.ballast (filling) VALUES (REPEAT('x', {size}))")


def _make_room(server: MariaDBServer) -> None:
    server.stop()
    server.start(*OPTIONS, "--innodb-data-file-path=ibdata1:32M;ibdata2:16M")
    server.sql(f"DROP TABLE {SCHEMA}.ballast")


BROKEN: dict[str, tuple[Callable[[MariaDBServer], Any], Callable[[MariaDBServer], Any], str]] = {
    "rights": (
        lambda server: server.sql(f"REVOKE INSERT ON {SCHEMA}.* FROM app@127.0.0.1"),
        lambda server: server.sql(f"GRANT INSERT ON {SCHEMA}.* TO app@127.0.0.1"),
        "no_rights",
    ),
    "a table": (
        lambda server: server.sql("RENAME TABLE sessions TO elsewhere", schema=SCHEMA),
        lambda server: server.sql("RENAME TABLE elsewhere TO sessions", schema=SCHEMA),
        "schema",
    ),
    "a column": (
        lambda server: server.sql("ALTER TABLE sessions RENAME COLUMN device TO elsewhere", schema=SCHEMA),
        lambda server: server.sql("ALTER TABLE sessions RENAME COLUMN elsewhere TO device", schema=SCHEMA),
        "schema",
    ),
    "the password": (
        lambda server: server.sql("ALTER USER app@127.0.0.1 IDENTIFIED BY 'another'"),
        lambda server: server.sql("ALTER USER app@127.0.0.1 IDENTIFIED BY 'app-password'"),
        "login_refused",
    ),
    "room": (_fill, _make_room, "full"),
}


@pytest.mark.parametrize("lost", BROKEN)
def test_what_no_waiting_cures_is_ours_and_alarms(
    simulator: Simulator, served: Service, primary: MariaDBServer, lost: str
) -> None:
    destroy, mend, word = BROKEN[lost]
    logged = len(served.log.read_text())
    destroy(primary)
    primary.kill_connections(SCHEMA)  # rights and passwords are looked at when a connection is made
    try:
        answers = [login(simulator, served, f"unusable-{lost}-{number}") for number in range(4)]
        assert_told_that_it_is_ours(answers[-1])
        wait_until(lambda: {readiness(served) for _ in range(6)} == {(503, word)})
    finally:
        mend(primary)
    assert login(simulator, served, f"usable-{lost}").status_code == 200  # without a restart
    becomes_ready(served)
    lines = [json.loads(line) for line in served.log.read_text()[logged:].splitlines() if line.startswith("{")]
    alarms = [line["message"] for line in lines if line["level"] == "ERROR"]
    assert any("refused: database_unusable" in message and f"({word}, " in message for message in alarms), alarms


def test_modes_of_the_server_are_not_ours(simulator: Simulator, served: Service, primary: MariaDBServer) -> None:
    modes = "ANSI,TRADITIONAL,ONLY_FULL_GROUP_BY,PIPES_AS_CONCAT,NO_BACKSLASH_ESCAPES,PAD_CHAR_TO_FULL_LENGTH"
    primary.sql(f"SET GLOBAL sql_mode = '{modes}'", "SET GLOBAL sql_safe_updates = 1")
    primary.kill_connections(SCHEMA)
    try:
        for name in ("before-1", "new-under-modes"):
            assert login(simulator, served, name).status_code == 200
        becomes_ready(served)
    finally:
        primary.sql("SET GLOBAL sql_mode = DEFAULT", "SET GLOBAL sql_safe_updates = 0")
        primary.kill_connections(SCHEMA)


# --- a server that does not answer, or is gone ---------------------------------------------------------------------


@pytest.mark.alone
def test_a_frozen_server_is_told_as_busy_in_time_and_recovers_by_itself(
    simulator: Simulator, served: Service, primary: MariaDBServer, crowd: Crowd, figures: Callable[[str], None]
) -> None:
    requests = [post(served.url + LOGIN, {"code": simulator.code(f"frozen-{number}")}) for number in range(30)]
    primary.freeze()
    try:
        with closing(Crowd(1)) as onlooker:
            seen = onlooker.measure([Request("GET", f"{served.url}/healthz")], 4)
            answers = crowd.send(requests)
            others = [answer.seconds for answer in seen.result(30)]
        served.keep_all(answers)
        slowest = max(answer.seconds for answer in answers)
        assert {answer.status for answer in answers} == {503}
        assert {answer.json()["error"] for answer in answers} == {"service_busy"}
        assert slowest < ANSWERED_IN
        # By now it is known: who comes next is not kept waiting, but for one that tries.
        with ThreadPoolExecutor(8) as many:
            later = list(many.map(lambda number: login(simulator, served, f"later-{number}"), range(8)))
        for answer in later:
            assert_told_to_come_back(answer)
        assert sorted(answer.elapsed.total_seconds() for answer in later)[4] < 1
        assert readiness(served) == (503, "unreachable")
    finally:
        primary.thaw()
    thawed = time.monotonic()
    wait_until(lambda: {login(simulator, served, f"frozen-{n}").status_code for n in range(4)} == {200}, 4)
    figures(
        f"MariaDB frozen: 30 logins told to come back, the slowest after {slowest:.2f} s; /healthz p99 meanwhile "
        f"{percentile(others, 99) * 1000:.0f} ms; all well {time.monotonic() - thawed:.2f} s after it went on"
    )
    becomes_ready(served)


def test_a_restart_is_told_and_then_invisible(simulator: Simulator, served: Service, primary: MariaDBServer) -> None:
    primary.stop()
    assert_told_to_come_back(login(simulator, served, "restarted"))
    wait_until(lambda: {readiness(served) for _ in range(6)} == {(503, "unreachable")})
    primary.start()
    with ThreadPoolExecutor(8) as many:
        answers = list(many.map(lambda number: login(simulator, served, f"restarted-{number}"), range(8)))
    assert {answer.status_code for answer in answers} == {200}
    becomes_ready(served)


@contextmanager
def held(server: MariaDBServer, name: str, simulator: Simulator) -> Iterator[Any]:
    """Hold the row of somebody's user, so that their login stands in the middle of its transaction."""
    openid = simulator.account(name)["openid"]
    with closing(server.connect(SCHEMA)) as connection, connection.cursor() as cursor:
        connection.begin()
        cursor.execute(
            f"SELECT id FROM users WHERE id = (SELECT user_id FROM identities WHERE openid = '{openid}') FOR UPDATE"
        )
        yield cursor
        connection.rollback()


def _waiting(server: MariaDBServer) -> list[int]:
    """The service's connections that are in the middle of a statement."""
    rows = server.sql("SELECT id FROM information_schema.processlist WHERE user = 'app' AND info IS NOT NULL")
    return [int(number) for (number,) in rows]


@pytest.mark.parametrize("kill", ["KILL", "KILL QUERY"])
def test_a_login_whose_connection_is_killed_in_the_middle_runs_again(
    simulator: Simulator, served: Service, primary: MariaDBServer, kill: str
) -> None:
    simulator.clear()
    with ThreadPoolExecutor(1) as aside:
        with held(primary, "before-0", simulator):
            answer = aside.submit(login, simulator, served, "before-0")
            wait_until(lambda: _waiting(primary))
            primary.sql(f"{kill} {_waiting(primary)[0]}")
        assert answer.result().status_code == 200
    assert asked_of_wechat(simulator) == 1


def test_a_commit_whose_answer_is_lost_is_not_made_twice(
    simulator: Simulator, served: Service, primary: MariaDBServer, road: Forwarder
) -> None:
    before = primary.sql("SELECT COUNT(*) FROM sessions", schema=SCHEMA)[0][0]
    code = simulator.code("before-0")
    road.cut_after = b"COMMIT"
    answer = requests.post(served.url + LOGIN, json={"code": code}, timeout=30)
    road.cut_after = None
    assert_told_to_come_back(answer)
    wait_until(lambda: primary.sql("SELECT COUNT(*) FROM sessions", schema=SCHEMA)[0][0] == before + 1)
    assert login(simulator, served, "before-0").status_code == 200


def test_a_pool_that_is_used_up_is_waited_for_and_no_reason_to_be_taken_out(
    simulator: Simulator, served: Service, primary: MariaDBServer
) -> None:
    """Logins of one person wait for one row, on all connections of both workers (8 each)."""
    codes = [simulator.code("before-0") for _ in range(40)]
    with ThreadPoolExecutor(41) as many:
        with held(primary, "before-0", simulator):
            waiting = [
                many.submit(requests.post, served.url + LOGIN, json={"code": code}, timeout=30) for code in codes
            ]
            wait_until(lambda: len(_waiting(primary)) == 16)
            time.sleep(1)  # what was known before is too old by now
            asked = [requests.get(f"{served.url}/readyz", timeout=30) for _ in range(6)]
        answers = [answer.result() for answer in waiting]
    assert {answer.status_code for answer in asked} == {200}
    assert max(answer.elapsed.total_seconds() for answer in asked) < 1
    assert {answer.status_code for answer in answers} == {200}


@pytest.mark.parametrize("limit", ["of the server", "of the user"])
def test_a_limit_on_connections_is_waited_for_or_told(
    simulator: Simulator, served: Service, primary: MariaDBServer, limit: str
) -> None:
    primary.kill_connections(SCHEMA)
    hoard = []
    if limit == "of the user":
        primary.sql("ALTER USER app@127.0.0.1 WITH MAX_USER_CONNECTIONS 1")
    else:
        primary.sql("SET GLOBAL max_connections = 10")
        with pytest.raises(Exception, match="Too many connections"):
            while True:
                hoard.append(primary.connect(user="root"))
        for _ in range(4):
            hoard.pop().close()
    people = [f"limited-{number}" for number in range(16)]
    try:
        with ThreadPoolExecutor(16) as many:
            answers = list(many.map(lambda name: login(simulator, served, name), people))
    finally:
        for connection in hoard:
            connection.close()
        primary.sql("SET GLOBAL max_connections = 151", "ALTER USER app@127.0.0.1 WITH MAX_USER_CONNECTIONS 0")
    turned_away = [answer for answer in answers if answer.status_code != 200]
    for answer in turned_away:
        assert_told_to_come_back(answer)
        assert answer.elapsed.total_seconds() < ANSWERED_IN
    assert len(turned_away) < len(answers)
    becomes_ready(served)
    assert {login(simulator, served, name).status_code for name in people} == {200}


def test_a_connection_is_not_asked_whether_it_lives_before_each_login(
    simulator: Simulator, served: Service, primary: MariaDBServer, figures: Callable[[str], None]
) -> None:
    def counted(name: str) -> int:
        return int(primary.sql(f"SHOW GLOBAL STATUS LIKE '{name}'")[0][1])

    login(simulator, served, "before-0")
    pings, questions = counted("Com_admin_commands"), counted("Questions")
    for _ in range(10):
        login(simulator, served, "before-0")
    asked = counted("Questions") - questions - 2  # SHOW, twice
    figures(f"MariaDB: a returning login is {asked / 10:.1f} statements, commit included, and no ping")
    # Connections of this test, which say goodbye, are commands of this kind too.
    assert counted("Com_admin_commands") - pings <= 3


# --- ways of logging in --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ed25519(primary: MariaDBServer) -> str:
    primary.sql(
        "CREATE USER modern@127.0.0.1 IDENTIFIED VIA ed25519 USING PASSWORD('ed25519-password')",
        f"GRANT ALL ON {SCHEMA}.* TO modern@127.0.0.1",
    )
    return f"mysql://modern:ed25519-password@127.0.0.1:{primary.port}/{SCHEMA}"


def test_a_user_of_ed25519_can_be_used(primary: MariaDBServer, ed25519: str) -> None:
    pytest.importorskip("nacl", reason="skipped: PyNaCl is not installed (scripts/setup dev)")
    with migrated_database(ed25519) as database:
        assert database.condition() == Condition(None, is_migrated=True)


def test_without_the_package_for_ed25519_it_says_what_to_install(
    served: Service, primary: MariaDBServer, ed25519: str, tmp_path: Path
) -> None:
    (tmp_path / "nacl.py").write_text("raise ImportError('not installed')")
    paths = f"{tmp_path}:{served.environment['PYTHONPATH']}"
    log = served.folder / "refused.txt"
    alone = {"PORT": str(free_port()), "WEB_CONCURRENCY": "1"}
    environment = {**served.environment, "DATABASE_URL": ed25519, "PYTHONPATH": paths, **alone}
    process = Process(served._command, log=log, env=environment, cwd=served.folder)
    try:
        assert process.wait(40) != 0
    finally:
        process.stop()
    assert (
        "authsvc does not start:\nthe user of DATABASE_URL logs in with ed25519, for which PyMySQL" in log.read_text()
    )
    assert "Traceback" not in log.read_text()


@pytest.mark.parametrize("plugin", get_args(Plugin))
def test_users_of_mysqls_sha2_plugins_can_be_used_without_tls(primary: MariaDBServer, plugin: Plugin) -> None:
    front = Sha2Front(primary.port, SCHEMA, plugin, "sha2-password")
    try:
        with migrated_database(f"mysql://modern:sha2-password@127.0.0.1:{front.port}/{SCHEMA}") as database:
            assert database.condition() == Condition(None, is_migrated=True)
        assert front.let_in >= 2
        with pytest.raises(DatabaseUnusable, match=r"\(login_refused, .*1045"):
            _wrong(f"mysql+pymysql://modern:wrong@127.0.0.1:{front.port}/{SCHEMA}")
    finally:
        front.close()


def _wrong(url: str) -> None:
    engine = create_engine(url, **engine_room.options(url, 1))
    Database(engine, MIGRATIONS).read(lambda connection: None)
