"""What every test may ask for: databases, the simulator, the service on each database, the leak scan over the run."""

import fcntl
import os
import random
import secrets
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from authsvc.db.database import Database
from authsvc.signing.keyfile import create_key_file
from authsvc.signing.keyring import KeyRing, KeySource
from authsvc.signing.tokens import TokenIssuer
from tests.harness.crowd import Crowd
from tests.harness.databases import MySQLSchema
from tests.harness.house import House
from tests.harness.inprocess import Clock, empty, migrated_database
from tests.harness.leaks import Canaries, written_in
from tests.harness.races import DATABASES, Race, four_workers
from tests.harness.service import ISSUER, Service
from tests.harness.share import another_first_each_day, pytest_runtest_setup  # noqa: F401 (a hook of pytest)
from tests.harness.simulator import Simulator
from tests.harness.skips import pytest_unconfigure  # noqa: F401 (a hook of pytest)

# WeChat's published sample: the one AppID for which official test vectors exist.
APPID = "wx4f4bc4dec97d474b"
FIGURES = pytest.StashKey[list[str]]()

# What starts programs or needs a database server.
_SERVERS = {
    *("start_service", "start_race", "race_on", "racing_service", "each_service", "start_apart"),
    *("shared_simulator", "own_simulator", "sqlite_service", "mysql_service", "crowd", "_mysql"),
}
# Tests that start programs without these fixtures, or take their time.
_NOT_FAST = {
    *("deploy", "doctor", "miniprogram", "tokenstore", "wxsim", "imaging", "verifier"),
    *("test_turns.py", "test_personal_data.py", "test_outbound_deadlines.py", "test_processes.py", "test_program.py"),
}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--fast", action="store_true", help="only what needs no servers: under a minute")
    parser.addoption("--until", type=float, help="seconds of the epoch after which no test begins")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--fast"):
        left_out = [item for item in items if not _is_fast(item)]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if _is_fast(item)]
    if config.getoption("--until") is not None:
        items[:] = another_first_each_day(items, time.time())


def _is_fast(item: Any) -> bool:
    places = set(Path(item.path).relative_to(Path(__file__).parent).parts)
    chosen = getattr(item, "callspec", None)
    needs_mysql = chosen is not None and "mysql" in map(str, chosen.params.values())
    needs_server = needs_mysql or bool(_SERVERS & set(item.fixturenames))
    return not needs_server and not places & _NOT_FAST and item.get_closest_marker("alone") is None


@pytest.fixture(autouse=True)
def company(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Of two processes that run tests, one waits while the other runs a test marked ``alone``, which measures time."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        yield
        return
    alone = request.node.get_closest_marker("alone") is not None
    shared = tmp_path_factory.getbasetemp().parent
    with (shared / "queue.lock").open("w") as queue, (shared / "company.lock").open("w") as lock:
        fcntl.flock(queue, fcntl.LOCK_EX)  # who wants to be alone is not overtaken for ever
        fcntl.flock(lock, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        fcntl.flock(queue, fcntl.LOCK_UN)
        yield


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("run")


@pytest.fixture(scope="session")
def canaries(run_folder: Path) -> Iterator[Canaries]:
    """Secrets of this run. When the run ends, none of them may stand in what authsvc wrote or answered."""
    noted = Canaries()
    yield noted
    hits = noted.hits(*written_in(run_folder))
    assert not hits, f"secrets leaked: {sorted(set(hits))}"


@pytest.fixture(scope="session")
def app_secret(canaries: Canaries) -> str:
    return canaries.never("AppSecret", secrets.token_hex(16))


@pytest.fixture(scope="session")
def shared_simulator(run_folder: Path, canaries: Canaries, app_secret: str) -> Iterator[Simulator]:
    simulator = Simulator(run_folder, canaries, [(APPID, app_secret, None)])
    yield simulator
    simulator.process.stop()


@pytest.fixture
def simulator(shared_simulator: Simulator) -> Simulator:
    """The simulator without faults and with an empty journal."""
    shared_simulator.clear()
    return shared_simulator


@pytest.fixture(scope="module")
def own_simulator(
    request: pytest.FixtureRequest, run_folder: Path, canaries: Canaries, app_secret: str
) -> Iterator[Simulator]:
    """A simulator of one file's own, for tests that kill its tokens."""
    folder = run_folder / f"simulator-{request.module.__name__}"
    folder.mkdir()
    simulator = Simulator(folder, canaries, [(APPID, app_secret, None)])
    yield simulator
    simulator.process.stop()


@pytest.fixture(scope="session")
def start_service(
    run_folder: Path, canaries: Canaries, shared_simulator: Simulator, app_secret: str
) -> Iterator[Callable[..., Service]]:
    """Start further services; all of them end with the run."""
    started: list[Service] = []

    def start(name: str, **options: object) -> Service:
        service = Service(
            run_folder / f"{name}-{len(started)}",
            canaries,
            **{"wechat": shared_simulator.url, "appid": APPID, "secret": app_secret, **options},
        )
        started.append(service)
        return service

    yield start
    with ThreadPoolExecutor(16) as stopping:  # each of them may wait for its idle connections
        list(stopping.map(Service.stop, started))


@pytest.fixture
def start_briefly(start_service: Callable[..., Service]) -> Iterator[Callable[..., Service]]:
    """Start services that end with the test."""
    started: list[Service] = []

    def start(name: str, **options: object) -> Service:
        started.append(start_service(name, **options))
        return started[-1]

    yield start
    for service in started:
        service.stop()


@pytest.fixture
def start_apart(simulator: Simulator, app_secret: str, tmp_path: Path) -> Iterator[Callable[[str], Service]]:
    """Start a twin whose secrets may show: it has a folder and canaries of its own, which the run does not scan."""
    started: list[Service] = []

    def start(module: str) -> Service:
        name, wechat = module.rpartition(".")[2].partition(":")[0], {"wechat": simulator.url, "appid": APPID}
        started.append(Service(tmp_path / name, Canaries(), **wechat, secret=app_secret, workers=1, module=module))
        return started[-1]

    yield start
    for service in started:
        service.stop()


@pytest.fixture(scope="session")
def crowd() -> Iterator[Crowd]:
    """Four client processes."""
    gathered = Crowd(4)
    yield gathered
    gathered.close()


@pytest.fixture
def race_on(simulator: Simulator, crowd: Crowd, figures: Callable[[str], None]) -> Callable[[Service], Race]:
    """Let the crowd fall upon a service that is there."""
    return lambda service: Race(service, simulator, crowd, figures, random.SystemRandom().getrandbits(32))


@pytest.fixture(params=DATABASES)
def start_race(
    request: pytest.FixtureRequest, start_briefly: Callable[..., Service], race_on: Callable[[Service], Race]
) -> Callable[..., Race]:
    """Start four workers, on each database, for the races of one test."""

    def start(name: str, *options: Any, **settings: Any) -> Race:
        return race_on(four_workers(start_briefly, name, request.param, *options, **settings))

    return start


@pytest.fixture(scope="module")
def race_settings() -> dict[str, str]:
    """What a file wants of its ``racing_service``."""
    return {}


@pytest.fixture(scope="module", params=DATABASES)
def racing_service(
    request: pytest.FixtureRequest, start_service: Callable[..., Service], race_settings: dict[str, str]
) -> Iterator[Service]:
    """Four workers, on each database, for the races of one file."""
    name = request.module.__name__.rpartition(".test_")[2]
    service = four_workers(start_service, name, request.param, **race_settings)
    yield service
    service.stop()


@pytest.fixture(scope="session")
def figures(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Note a measured figure; all of them are printed when the run ends."""
    return request.config.stash.setdefault(FIGURES, []).append


def pytest_sessionfinish(session: pytest.Session) -> None:
    if (to_the_first := getattr(session.config, "workeroutput", None)) is not None:
        to_the_first["figures"] = session.config.stash.get(FIGURES, [])


@pytest.hookimpl(optionalhook=True)  # of pytest-xdist
def pytest_testnodedown(node: Any) -> None:
    node.config.stash.setdefault(FIGURES, []).extend(getattr(node, "workeroutput", {}).get("figures", []))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if noted := config.stash.get(FIGURES, []):
        terminalreporter.section("measured")
        for figure in noted:
            terminalreporter.write_line(figure)


@pytest.fixture(scope="session")
def sqlite_service(start_service: Callable[..., Service]) -> Service:
    return start_service("sqlite", workers=4)


@pytest.fixture(scope="session")
def mysql_service(start_service: Callable[..., Service]) -> Service:
    return start_service("mysql", database="mysql", workers=4)


@pytest.fixture
def service(sqlite_service: Service) -> Service:
    """The service as most tests need it."""
    return sqlite_service


@pytest.fixture(params=DATABASES)
def each_service(request: pytest.FixtureRequest) -> Service:
    """The service once on SQLite and once on MariaDB or MySQL."""
    found: Service = request.getfixturevalue(f"{request.param}_service")
    return found


@pytest.fixture(scope="session")
def _sqlite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    with migrated_database(f"sqlite:///{tmp_path_factory.mktemp('database')}/authsvc.db") as database:
        yield database


@pytest.fixture(scope="session")
def _mysql() -> Iterator[Database]:
    schema = MySQLSchema()
    with migrated_database(schema.url) as database:
        yield database
    schema.drop()


@pytest.fixture
def database(_sqlite: Database) -> Database:
    """An empty SQLite database, for a test of a single room: made by the real migrations, without a service."""
    empty(_sqlite)
    return _sqlite


@pytest.fixture(params=DATABASES)
def each_database(request: pytest.FixtureRequest) -> Database:
    """An empty database, once on SQLite and once on MariaDB or MySQL."""
    found: Database = request.getfixturevalue(f"_{request.param}")
    empty(found)
    return found


@pytest.fixture
def house(each_database: Database, clock: Clock) -> House:
    """The rules over each database, without a process."""
    return House(each_database, clock)


@pytest.fixture
def issuer(clock: Clock, tmp_path: Path) -> TokenIssuer:
    """What signs tokens with a key of this test's own."""
    create_key_file(tmp_path / "keys" / "signing.json")
    return TokenIssuer(KeyRing(KeySource(tmp_path / "keys" / "signing.json"), clock), ISSUER, clock)


@pytest.fixture
def clock() -> Clock:
    """A clock that stands still until a test moves it."""
    return Clock()
