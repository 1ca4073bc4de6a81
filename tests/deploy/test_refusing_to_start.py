"""What keeps authsvc from starting is said in sentences that name settings: by gunicorn, by its check and by flask."""

import os
import re
import runpy
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from authsvc import cpus, redispool
from tests.harness.places import ROOT
from tests.harness.processes import free_port
from tests.harness.service import Service
from tests.harness.sockets import keeps_silent, listening

GUNICORN = ["-m", "gunicorn", "-c", str(ROOT / "gunicorn.conf.py"), "wsgi:app"]
CHECK = [*GUNICORN[:-1], "--check-config", "wsgi:app"]
FLASK = ["-m", "flask", "--app", str(ROOT / "wsgi.py"), "authsvc", "token", "show"]
Said = tuple[int, str]


@pytest.fixture(scope="module")
def environment(sqlite_service: Service, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """As a service has it, on a port of its own."""
    return {**sqlite_service.environment, "PORT": str(free_port()), "WEB_CONCURRENCY": "1", "LOG_LEVEL": "INFO"}


def run(command: list[str], environment: dict[str, str], folder: Path, within: tuple[str, ...] = ()) -> Said:
    done = subprocess.run(
        [*within, sys.executable, *command],
        env=environment,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=40,
        check=False,
    )
    return done.returncode, done.stdout


def all_ways(environment: dict[str, str], folder: Path, within: tuple[str, ...] = ()) -> list[Said]:
    with ThreadPoolExecutor(3) as starting:
        ways = (GUNICORN, CHECK, FLASK)
        return list(starting.map(lambda command: run(command, environment, folder, within), ways))


def read_only(folder: Path) -> tuple[str, ...]:
    """What runs a program that may not write there, whoever it is; nothing where that cannot be had."""
    script = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"'
    within = ("unshare", "-m", "sh", "-c", script, str(folder))
    possible = os.geteuid() == 0 and not subprocess.run([*within, "true"], capture_output=True, check=False).returncode
    return within if possible else ()


def test_every_problem_is_a_sentence_that_names_its_setting_and_nothing_else(
    environment: dict[str, str], tmp_path: Path
) -> None:
    wrong = {
        "WX_PROXY": "socks5://user:hunter2hunter2@127.0.0.1:1080",
        "WX_CA_FILE": str(tmp_path / "nothing.pem"),
        "PUBLIC_BASE_URL": "https://login.example.test/auth\n",
        "DATABASE_URL": "mysql://authsvc:hunter2hunter2@db.example.test/authsvc",
        "REDIS_URL": "redis://:hunter2hunter2@redis.example.test:6379/0",
        "TRUSTED_PROXIES": "１",
        "REFRESH_GRACE": "-1",
    }
    instance = tmp_path / "instance"
    instance.mkdir()
    within = read_only(instance)
    if within:
        wrong["INSTANCE_PATH"] = str(instance)
    else:
        (instance / "metrics").touch()
        wrong["INSTANCE_PATH"] = str(instance)
    for code, said in all_ways({**environment, **wrong}, tmp_path, within):
        assert code != 0
        *lines, advice = said.split("authsvc does not start:\n")[1].splitlines()
        assert sorted(line.split()[0].rstrip(":") for line in lines) == sorted(wrong), said
        assert advice == "next: correct the environment"
        assert "Traceback" not in said and "hunter2" not in said


def test_a_taken_port_is_said_at_once_and_by_the_name_of_its_setting(
    environment: dict[str, str], tmp_path: Path
) -> None:
    with listening() as other:
        code, said = run(GUNICORN, {**environment, "PORT": other.address.partition(":")[2]}, tmp_path)
    assert code == 1 and "Traceback" not in said
    assert re.search(r"authsvc does not start:\n.*\(PORT, or --bind\): Address already in use\n\Z", said), said


def test_what_is_no_address_to_listen_on_is_named_at_start(environment: dict[str, str], tmp_path: Path) -> None:
    for named in ("localhost", "0.0.0.0:8000", "everywhere", "256.0.0.1", "unix:/tmp/x"):
        code, said = run(CHECK, {**environment, "BIND": named}, tmp_path)
        sentence = "BIND must be an IP address to listen on, such as 127.0.0.1, 0.0.0.0 or ::"
        assert (code, said) == (1, f"authsvc does not start:\n{sentence}\n")
    code, said = run(GUNICORN, {**environment, "BIND": "203.0.113.1"}, tmp_path)
    sentence = r"it cannot listen on 203\.0\.113\.1 port \d+ \(BIND, or --bind\): Cannot assign requested address\n\Z"
    assert code == 1 and re.search(sentence, said), said


def test_an_env_file_that_is_no_text_is_a_sentence(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes("WX_APPID=wx1".encode("utf-16"))
    for command in (GUNICORN, CHECK):
        code, said = run(command, environment, tmp_path)
        assert (code, said) == (1, "authsvc does not start:\n.env is not a readable text file (not UTF-8)\n")


def test_a_redis_that_cannot_be_used_is_an_error_in_the_log_and_keeps_nothing_from_starting(
    environment: dict[str, str], tmp_path: Path
) -> None:
    code, said = run(FLASK, {**environment, "REDIS_URL": "redis://127.0.0.1:1/0", "LOG_FORMAT": "text"}, tmp_path)
    assert code == 0 and "Traceback" not in said
    assert re.search(r"ERROR .*: REDIS_URL: Redis cannot be used \(Connection refused\); until it works, ", said), said


def test_what_is_wrong_with_redis_is_said_without_its_host(caplog: pytest.LogCaptureFixture) -> None:
    with listening(keeps_silent) as silent:
        for url in ("redis://redis.invalid:6379/0", f"redis://:p@{silent.address}/0", "unix:///nowhere/redis.sock"):
            redispool.look(url)
    reasons = [re.search(r"REDIS_URL: .*?\((.*?)\)", record.getMessage()) for record in caplog.records]
    assert [found and found[1] for found in reasons] == ["the name does not resolve", "TimeoutError", "ConnectionError"]


def of_gunicorn(monkeypatch: pytest.MonkeyPatch, folder: Path, **settings: str) -> dict[str, object]:
    """What gunicorn.conf.py says in an environment."""
    monkeypatch.chdir(folder)
    for name in ("PORT", "WEB_CONCURRENCY", "ACCESS_LOG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    return runpy.run_path(str(ROOT / "gunicorn.conf.py"))


@pytest.mark.parametrize(
    "name, value, rule",
    [
        *(
            ("PORT", value, "a whole number from 1 to 65535")
            for value in ("0", "-1", "65536", "８０００", "http", "8_0")
        ),
        *(("WEB_CONCURRENCY", value, "a whole number from 1 to 10000") for value in ("0", "-2", "two", "９")),
        ("ACCESS_LOG", "yes", "one of 0, 1"),
    ],
)
def test_what_gunicorn_reads_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, value: str, rule: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        of_gunicorn(monkeypatch, tmp_path, **{name: value})
    assert ended.value.code == f"authsvc does not start:\n{name} must be {rule}"


def test_there_are_as_many_workers_as_processors_that_may_be_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(cpus, "available", lambda: 3)
    assert of_gunicorn(monkeypatch, tmp_path)["workers"] == "3"
    assert of_gunicorn(monkeypatch, tmp_path, WEB_CONCURRENCY=" 5\n")["workers"] == "5"


def test_the_master_loads_nothing_that_must_be_patched_first() -> None:
    """Workers patch for gevent after the fork: what holds threads' own data or TLS by then would not be patched."""
    script = f"import runpy, sys; runpy.run_path({str(ROOT / 'gunicorn.conf.py')!r}); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    unpatched = {"authsvc.connections", "authsvc.db.engine", "urllib3", "requests", "redis", "pymysql", "sqlalchemy"}
    assert unpatched & set(done.stdout.split()) == set()
