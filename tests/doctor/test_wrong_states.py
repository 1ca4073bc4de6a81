"""Every wrong state, made for real: what the doctor says of it, and what it advises."""

import json
import os
import secrets
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from authsvc.db.examination import DatabaseFacts
from authsvc.doctor import database as database_checks
from authsvc.doctor import fetching, proxies, publicaddress
from authsvc.doctor.case import Case
from authsvc.signing.keyfile import KEY_FILE, change_key_file, create_key_file, new_key
from tests.doctor.conftest import Diagnose
from tests.harness.certificates import Authority
from tests.harness.databases import MYSQL_URL, MySQLSchema
from tests.harness.inprocess import migrated_database
from tests.harness.mariadb import MariaDBServer
from tests.harness.nginx import Nginx, skip_without_nginx
from tests.harness.places import NEWEST
from tests.harness.processes import free_port
from tests.harness.redisserver import RedisServer
from tests.harness.service import Service
from tests.harness.simulator import Simulator

pytestmark = pytest.mark.slow

ANOTHER_APPID = "wxba5fad812f8e6fb9"
NOT_THE_SECRET = "0123456789abcdef0123456789abcdef"

# --- settings, files, keys, disk ------------------------------------------------------------------------------------


def test_bad_settings_are_listed_together_and_names_that_are_none(diagnose: Diagnose) -> None:
    found = diagnose(WX_APPID="wx12", PORT="8000", PHONE_ACCOUNT="maybe", QRCODE_COLOUR_OF_ALL="red")
    said = [says for _, says, _ in found.lines["settings.valid"]]
    assert said == [
        "WX_APPID is not an AppID (wx and 16 lowercase hex digits)",
        "PHONE_ACCOUNT must be one of link, reject",
    ]
    assert found.worst("settings.unknown")[:2] == (
        "warning",
        "not settings of authsvc, and ignored: QRCODE_COLOUR_OF_ALL",
    )
    assert found.worst("wechat.reachable")[:2] == ("skipped", "cannot be told until settings.valid is right")
    # What needs no settings is examined nevertheless.
    assert found.status("keys.usable") == found.status("files.space") == "ok"


def test_an_env_file_that_is_none(diagnose: Diagnose, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("this is no setting at all =\n")
    assert diagnose().worst("settings.valid")[1] == ".env cannot be read as NAME=value in line 1"


def test_files_with_secrets_that_others_can_read(diagnose: Diagnose, deployment: Service, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("LOG_LEVEL=INFO\n")
    (tmp_path / ".env").chmod(0o644)
    (tmp_path / "secret").write_text(deployment.environment["WX_SECRET"])
    (tmp_path / "secret").chmod(0o644)
    found = diagnose(WX_SECRET=None, WX_SECRET_FILE=str(tmp_path / "secret"))
    wrong, warning = found.lines["files.private"]
    assert wrong[:2] == ("wrong", f".env: {tmp_path / '.env'} is accessible to other users (mode 0644)")
    assert wrong[2] and wrong[2].startswith(f"run: chmod 600 {tmp_path / '.env'}; ")
    assert warning[0] == "warning" and warning[1].startswith(f"WX_SECRET_FILE: {tmp_path / 'secret'} is accessible")


def test_another_user_than_the_services(diagnose: Diagnose, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("skipped: only root can give files away")
    create_key_file(tmp_path / "instance" / KEY_FILE)
    os.chown(tmp_path / "instance", 65534, 65534)
    found = diagnose(INSTANCE_PATH=str(tmp_path / "instance"))
    assert found.worst("files.owner")[:2] == (
        "warning",
        "runs as user id 0, but user id 65534 owns the instance folder; what concerns files and SQLite holds only for"
        " that user",
    )
    assert found.worst("database.reachable")[2] == "run: authsvc db upgrade"
    assert [path.name for path in (tmp_path / "instance").iterdir()] == ["keys"]


def _no_file(file: Path) -> None:
    file.unlink()


def _open_to_all(file: Path) -> None:
    file.chmod(0o644)


def _half(file: Path) -> None:
    file.write_text(file.read_text()[:40])


@pytest.mark.parametrize(
    "spoil, says, todo",
    [
        (_no_file, "{} is missing", "run: authsvc init"),
        (_open_to_all, "{} is readable by others (mode 0644)", "run: chmod 600 {}"),
        (_half, "{} is not a readable key file", "restore the file from a backup"),
    ],
)
def test_keys_that_cannot_sign(
    diagnose: Diagnose, tmp_path: Path, spoil: Callable[[Path], None], says: str, todo: str
) -> None:
    file = tmp_path / "instance" / KEY_FILE
    create_key_file(file)
    spoil(file)
    found = diagnose(INSTANCE_PATH=str(tmp_path / "instance"))
    status, said, advice = found.worst("keys.usable")
    assert (status, said) == ("wrong", says.format(file))
    assert advice and advice.startswith(todo.format(file))
    assert found.status("keys.ages") == found.status("public.keys") == "skipped"


def test_a_change_of_keys_that_was_forgotten(diagnose: Diagnose, tmp_path: Path) -> None:
    file = tmp_path / "instance" / KEY_FILE
    create_key_file(file)
    change_key_file(file, lambda keys: [*keys, new_key(1_700_000_000)])
    warning = diagnose(INSTANCE_PATH=str(tmp_path / "instance")).worst("keys.ages")
    assert warning[0] == "warning" and warning[1].endswith("days, and does not sign yet")
    assert warning[2] == "run: authsvc keys activate"


@contextmanager
def small_disk(folder: Path, options: str) -> Iterator[Path]:
    """A file system of its own; only root can make one."""
    folder.mkdir(exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("skipped: this user cannot mount a file system")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_disk_that_is_nearly_full(diagnose: Diagnose, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "size=20m,mode=700") as disk:
        create_key_file(disk / KEY_FILE)
        status, says, todo = diagnose(INSTANCE_PATH=str(disk)).worst("files.space")
    assert (
        status == "wrong" and says.startswith("INSTANCE_PATH: 19 MB free of 20; logins fail when it is full") is False
    )
    assert says.startswith("INSTANCE_PATH: 19 MB free of 20 ") and todo == "free some space now"


# --- the database ---------------------------------------------------------------------------------------------------


def test_sqlite_that_is_not_there_or_cannot_be_written(diagnose: Diagnose, deployment: Service, tmp_path: Path) -> None:
    missing = diagnose(DATABASE_URL=f"sqlite:///{tmp_path / 'none.db'}")
    assert missing.worst("database.reachable") == (
        "wrong",
        f"there is no database yet: {tmp_path / 'none.db'}",
        "run: authsvc db upgrade",
    )
    assert not (tmp_path / "none.db").exists()
    with small_disk(tmp_path / "disk", "size=20m") as disk:
        with closing(deployment.connect()) as connection:
            connection.execute(f"VACUUM INTO '{disk / 'copy.db'}'")
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        found = diagnose(DATABASE_URL=f"sqlite:///{disk / 'copy.db'}")
    assert found.code == 1
    _, says, todo = next(
        found.worst(check) for check in ("database.reachable", "database.writable") if found.status(check) == "wrong"
    )
    assert "read_only" in says and todo and "name a writable server or file" in todo


@pytest.fixture(scope="module")
def schema() -> Iterator[MySQLSchema]:
    """A migrated schema of MariaDB."""
    made = MySQLSchema()
    with migrated_database(made.url):
        yield made
    made.drop()


def test_mariadb_in_which_everything_is_right(diagnose: Diagnose, schema: MySQLSchema) -> None:
    found = diagnose(DATABASE_URL=schema.url)
    assert found.with_status("wrong") == set()
    assert found.lines["database.isolation"] == [("ok", "authsvc's connections use READ COMMITTED", None)]
    assert found.lines["database.tls"] == [("ok", "on this machine, without TLS", None)]


def test_mariadb_that_is_not_migrated_or_half_or_by_a_newer_version(diagnose: Diagnose, schema: MySQLSchema) -> None:
    empty = MySQLSchema()
    try:
        found = diagnose(DATABASE_URL=empty.url)
    finally:
        empty.drop()
    assert found.worst("database.migrated") == (
        "wrong",
        "not migrated: it has no tables of authsvc",
        "run: authsvc db upgrade",
    )
    assert found.status("database.writable") == "skipped"
    said = {}
    with closing(schema.connect()) as connection, connection.cursor() as cursor:
        for revision in ("0002", "9999"):
            cursor.execute(f"UPDATE authsvc_migrations SET version_num = '{revision}'")
            said[revision] = diagnose(DATABASE_URL=schema.url).worst("database.migrated")
        cursor.execute(f"UPDATE authsvc_migrations SET version_num = '{NEWEST}'")
    assert said["0002"] == ("wrong", f"migrated to 0002; the newest is {NEWEST}", "run: authsvc db upgrade")
    assert said["9999"][1] == f"migrated to 9999 by a newer authsvc; this one knows {NEWEST}"


def test_mariadb_with_a_column_that_ignores_case(diagnose: Diagnose, schema: MySQLSchema) -> None:
    change = "ALTER TABLE ban_marks MODIFY ban VARCHAR(64) CHARACTER SET utf8mb4 COLLATE {} NOT NULL"
    with closing(schema.connect()) as connection, connection.cursor() as cursor:
        cursor.execute(change.format("utf8mb4_general_ci"))
        cursor.execute(f"ALTER DATABASE {schema.name} CHARACTER SET latin1")
        found = diagnose(DATABASE_URL=schema.url)
        cursor.execute(change.format("utf8mb4_bin"))
        cursor.execute(f"ALTER DATABASE {schema.name} CHARACTER SET utf8mb4")
    wrong, warning = found.lines["database.collation"]
    assert wrong[:2] == (
        "wrong",
        "these columns must be case-sensitive and are not: ban_marks.ban (utf8mb4_general_ci)",
    )
    assert warning[0] == "warning" and "latin1" in warning[1]


@contextmanager
def user_who_may(schema: MySQLSchema, rights: str) -> Iterator[str]:
    """The address of the schema for a user with these rights."""
    name, password = f"u{secrets.token_hex(4)}", secrets.token_hex(8)
    with closing(schema.connect()) as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE USER '{name}'@'%' IDENTIFIED BY '{password}'")
        cursor.execute(f"GRANT {rights} ON {schema.name}.* TO '{name}'@'%'")
        try:
            yield f"{MYSQL_URL.replace('//root@', f'//{name}:{password}@')}/{schema.name}"
        finally:
            cursor.execute(f"DROP USER '{name}'@'%'")


def test_mariadb_with_a_user_who_may_only_read(diagnose: Diagnose, schema: MySQLSchema) -> None:
    with user_who_may(schema, "SELECT") as url:
        found = diagnose(DATABASE_URL=url)
        refused = diagnose(DATABASE_URL=url.replace("@", "x@"))
    assert found.status("database.migrated") == "ok"
    status, says, todo = found.worst("database.writable")
    assert status == "wrong" and says.startswith("it cannot be written to (no_rights)") and todo and "GRANT" in todo
    assert refused.worst("database.reachable")[1].endswith(": login_refused, OperationalError 1045")
    password = url.partition(":")[2].partition(":")[2].partition("@")[0]
    assert password and password not in found.output + refused.output


def test_mariadb_that_is_away_or_has_no_such_database(diagnose: Diagnose, schema: MySQLSchema) -> None:
    port = free_port()
    away = diagnose(DATABASE_URL=f"mysql://root@127.0.0.1:{port}/authsvc").worst("database.reachable")
    assert away == (
        "wrong",
        f"no answer from 127.0.0.1:{port}/authsvc: unreachable, OperationalError 2003",
        "the server of DATABASE_URL cannot be reached; check that it runs, and check host and port",
    )
    none = diagnose(DATABASE_URL=f"{schema.url}_none").worst("database.reachable")
    assert "no_database" in none[1] and none[2] and "CREATE DATABASE" in none[2]


def test_mariadb_with_tls_and_with_few_connections(
    diagnose: Diagnose, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    authority = Authority(tmp_path)
    certificate, key = authority.pair("127.0.0.1")
    options = (f"--ssl-cert={certificate}", f"--ssl-key={key}", "--max-connections=20")
    server = MariaDBServer(tmp_path_factory.mktemp("doctor-mariadb"), *options)
    try:
        server.sql("CREATE DATABASE d CHARACTER SET utf8mb4")
        found = diagnose(
            DATABASE_URL=f"{server.url('d')}?ssl_ca={authority.file}", WEB_CONCURRENCY="4", DATABASE_POOL_SIZE="16"
        )
        stranger = Authority(tmp_path, "a stranger")
        refused = diagnose(DATABASE_URL=f"{server.url('d')}?ssl_ca={stranger.file}")
    finally:
        server.remove()
    assert found.lines["database.tls"][0][1].startswith("TLS with a verified server (TLS_")
    assert found.worst("database.connections")[:2] == (
        "warning",
        "4 workers with 16 connections each may open 64, and the server allows 20 in total",
    )
    assert refused.worst("database.reachable")[1].endswith(": tls, OperationalError 2003")


def test_answers_of_a_database_that_no_server_here_gives(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Another isolation level, plain text over a network, a file system without WAL."""
    monkeypatch.setenv("DATABASE_URL", "mysql://u@db.example.test/d")
    monkeypatch.setenv("DATABASE_PLAIN_TEXT", "1")
    for name, value in {
        "INSTANCE_PATH": str(tmp_path),
        "WX_APPID": "wx4f4bc4dec97d474b",
        "WX_SECRET": NOT_THE_SECRET,
        "PUBLIC_BASE_URL": "http://127.0.0.1:8000",
        "SECRET_KEYS": secrets.token_urlsafe(32),
    }.items():
        monkeypatch.setenv(name, value)
    case = Case.here()
    case.facts = DatabaseFacts("8.0", frozenset(), (), "REPEATABLE READ", charset="utf8mb4", most_connections=151)
    assert [line.status for line in database_checks.isolation(case)] == ["wrong"]
    assert [line.status for line in database_checks.encrypted(case)] == ["warning"]
    case.facts = DatabaseFacts("3.51.3", frozenset(), (), "SERIALIZABLE", journal="delete")
    (line, *_) = database_checks.sqlite(case)
    assert line.status == "wrong" and "does not support SQLite's WAL" in line.says


# --- Redis ----------------------------------------------------------------------------------------------------------


def test_redis_away_full_and_read_only(diagnose: Diagnose, tmp_path: Path) -> None:
    server = RedisServer(tmp_path)
    try:
        assert diagnose(REDIS_URL=server.url).lines["redis.usable"] == [("ok", "it can be read and written", None)]
        assert server.client.keys("*") == []
        server.client.config_set("maxmemory", "1")
        full = diagnose(REDIS_URL=server.url).worst("redis.usable")
        server.client.config_set("maxmemory", "0")
        server.freeze()
        frozen = diagnose(REDIS_URL=server.url).worst("redis.usable")
        server.thaw()
        server.client.replicaof("127.0.0.1", free_port())
        replica = diagnose(REDIS_URL=server.url).worst("redis.usable")
    finally:
        server.stop()
    away = diagnose(REDIS_URL=server.url).worst("redis.usable")
    assert frozen[0] == "wrong" and frozen[1].endswith(": it does not answer in time")
    assert [line[0] for line in (full, replica, away)] == ["wrong"] * 3
    assert (full[2], replica[2], away[2]) == (
        "raise maxmemory",
        "name the primary in REDIS_URL",
        "check that it runs, and check host and port in REDIS_URL",
    )


# --- WeChat ---------------------------------------------------------------------------------------------------------


def test_a_wrong_secret_and_a_wrong_appid(diagnose: Diagnose, wechat: Simulator) -> None:
    secret = diagnose(WX_SECRET=NOT_THE_SECRET)
    status, says, todo = secret.worst("wechat.secret")
    assert status == "wrong" and "errcode 40125 (invalid appsecret) rid " in says
    assert todo and todo.startswith("WX_SECRET is not the AppSecret of this AppID")
    assert {secret.status(f"wechat.{name}") for name in ("allow_list", "phone", "codes", "pages", "risk")} == {
        "skipped"
    }
    appid = diagnose(WX_APPID=ANOTHER_APPID).worst("wechat.secret")
    assert "errcode 40013 (invalid appid)" in appid[1]


def test_one_of_two_mini_programs_with_a_wrong_secret(
    diagnose: Diagnose, wechat: Simulator, deployment: Service, tmp_path: Path
) -> None:
    apps = [(deployment.appid, deployment.environment["WX_SECRET"]), (ANOTHER_APPID, NOT_THE_SECRET)]
    file = tmp_path / "apps.toml"
    file.write_text("".join(f'[[app]]\nappid = "{appid}"\nsecret = "{secret}"\n' for appid, secret in apps))
    found = diagnose(WX_APPID=None, WX_SECRET=None, WX_APPS_FILE=str(file))
    for check in ("secret", "allow_list", "phone", "codes", "pages", "risk"):
        lines = found.lines[f"wechat.{check}"]
        assert {status for status, says, _ in lines if says.startswith(deployment.appid)} == {"ok"}
        expected = "wrong" if check == "secret" else "skipped"
        assert {status for status, says, _ in lines if says.startswith(ANOTHER_APPID)} == {expected}


def test_wechat_that_never_answers_is_not_waited_for(
    diagnose: Diagnose, wechat: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "SECONDS", 0.3)
    wechat.fault({"kind": "hang"}, path="/cgi-bin/token")
    assert diagnose().worst("wechat.reachable")[1].endswith(" cannot be reached: no answer in time")


def test_an_address_that_is_not_in_the_allow_list(diagnose: Diagnose, wechat: Simulator) -> None:
    wechat.call("POST", "/control/settings", {"ip_allow_list": ["8.8.8.8"]})
    found = diagnose()
    assert found.status("wechat.secret") == "skipped"
    status, says, todo = found.worst("wechat.allow_list")
    assert status == "wrong" and "saw the call come from 127.0.0.1, which is not in the IP allow-list" in says
    assert todo and todo.startswith("add 127.0.0.1 to the IP allow-list at mp.weixin.qq.com")


def test_permissions_that_are_missing(diagnose: Diagnose, wechat: Simulator) -> None:
    endpoints = ["/wxa/business/getuserphonenumber", "/wxa/getwxacodeunlimit"]
    wechat.call("POST", "/control/settings", {"ungranted": endpoints})
    found = diagnose()
    assert found.worst("wechat.phone")[1].endswith("phone numbers (getuserphonenumber): errcode 48001")
    assert found.worst("wechat.codes")[1].endswith("mini-program codes (getwxacodeunlimit): errcode 48001")
    assert found.with_status("warning") >= {"wechat.phone", "wechat.codes"} and found.code == 0
    assert "may be asked for" in found.lines["wechat.risk"][0][1]


def test_pages_that_are_not_published(diagnose: Diagnose, wechat: Simulator) -> None:
    wechat.call("POST", "/control/settings", {"published_pages": ["pages/index/index"]})
    warning, wrong = diagnose().lines["wechat.pages"]
    assert warning[0] == "warning" and "the page pages/login/login (QRCODE_PAGE) is not in the published" in warning[1]
    assert wrong[0] == "wrong" and "the page pages/scan/scan (SCAN_SIGN_IN_PAGE) is not" in wrong[1]


def test_wechat_away_strange_and_failing(diagnose: Diagnose, wechat: Simulator) -> None:
    away = diagnose(WX_API_BASE=f"http://127.0.0.1:{free_port()}")
    assert away.worst("wechat.reachable")[1].endswith("cannot be reached: Connection refused")
    assert away.status("clock.agrees") == "skipped"
    wechat.fault({"kind": "http_status", "status": 502, "body": "<html>"}, path="/cgi-bin/token")
    assert diagnose().worst("wechat.reachable")[1].endswith("as WeChat's API does (HTTP status 502)")
    wechat.fault({"kind": "errcode", "errcode": 40243}, path="/cgi-bin/stable_token")
    assert diagnose().worst("wechat.secret")[2].startswith("the AppSecret is frozen")
    proxy = diagnose(WX_PROXY=f"http://127.0.0.1:{free_port()}").worst("wechat.reachable")
    assert "through WX_PROXY: the proxy: Connection refused" in proxy[1]


@pytest.mark.parametrize(
    "offset, status, says",
    [
        (-20, "warning", "this machine is 20 s ahead of WeChat; other services may refuse new tokens"),
        (600, "wrong", "this machine is 600 s behind WeChat; tokens and WeChat's signed data will be refused"),
    ],
)
def test_a_clock_that_is_off(diagnose: Diagnose, wechat: Simulator, offset: int, status: str, says: str) -> None:
    wechat.call("POST", "/control/clock", {"offset": offset})
    found = diagnose().worst("clock.agrees")
    assert found[0] == status
    assert found[1].split()[5:] == says.split()[5:] and abs(int(found[1].split()[3]) - abs(offset)) <= 1


# --- the public address ---------------------------------------------------------------------------------------------


def test_a_public_address_where_something_else_or_nothing_answers(
    diagnose: Diagnose, deployment: Service, wechat: Simulator
) -> None:
    away = diagnose(PUBLIC_BASE_URL=f"http://127.0.0.1:{free_port()}")
    assert away.worst("public.reachable")[1].endswith("cannot be reached from here: Connection refused")
    other = diagnose(PUBLIC_BASE_URL=wechat.url).worst("public.reachable")
    assert other[1].endswith(": something other than authsvc answers")
    alias = diagnose(PUBLIC_BASE_URL=f"http://localhost:{deployment.port}").worst("public.issuer")
    assert alias[0] == "wrong" and alias[1].startswith(f"the service there issues tokens as '{deployment.url}', not as")


def test_a_certificate_that_nobody_accepts_or_that_ends_soon(
    diagnose: Diagnose, deployment: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    skip_without_nginx()
    authority = Authority(tmp_path)
    (tmp_path / "nginx").mkdir()
    changes = {
        "127.0.0.1:8000": f"127.0.0.1:{deployment.port}",
        "server_name login.example.com": "server_name localhost",
    }
    nginx = Nginx(tmp_path / "nginx", "nginx.conf", changes, authority.pair("localhost"))
    process = nginx.start()
    try:
        unknown = diagnose(PUBLIC_BASE_URL=f"https://localhost:{nginx.port}").worst("public.reachable")
        monkeypatch.setattr(fetching, "DEFAULT_CA_BUNDLE_PATH", str(authority.file))
        known = diagnose(PUBLIC_BASE_URL=f"https://localhost:{nginx.port}").lines["public.reachable"]
    finally:
        process.stop()
    assert unknown[0] == "wrong" and "its certificate is not accepted: " in unknown[1]
    assert [(status, says) for status, says, _ in known][:2] == [
        ("warning", "localhost leads to 127.0.0.1 here, which only this network reaches"),
        ("warning", "the certificate of localhost ends in 24 hours"),
    ]


def test_a_public_address_with_the_keys_of_another_installation(diagnose: Diagnose, tmp_path: Path) -> None:
    create_key_file(tmp_path / "instance" / KEY_FILE)
    found = diagnose(INSTANCE_PATH=str(tmp_path / "instance")).worst("public.keys")
    assert found[:2] == (
        "wrong",
        "the key set there lacks the key that signs here (1 here, 1 there, 0 in common)",
    )


def test_proxies_that_are_believed_too_little_or_too_much(
    diagnose: Diagnose, deployment: Service, tmp_path: Path
) -> None:
    skip_without_nginx()
    changes = {
        "127.0.0.1:8000": f"127.0.0.1:{deployment.port}",
        "server_name login.example.com": "server_name 127.0.0.1",
    }
    folder = tmp_path / "nginx"
    folder.mkdir()
    nginx = Nginx(folder, "nginx.conf", changes)
    process = nginx.start()
    try:
        unknown = diagnose(PUBLIC_BASE_URL=nginx.url).worst("public.client_address")
        deployment.environment["TRUSTED_PROXIES"] = "1"
        deployment.restart()
        right = diagnose(PUBLIC_BASE_URL=nginx.url).lines["public.client_address"][0]
        chosen = diagnose().worst("public.client_address")
        stranger = diagnose(SECRET_KEYS=secrets.token_urlsafe(32)).worst("public.client_address")
    finally:
        process.stop()
        deployment.environment["TRUSTED_PROXIES"] = "0"
        deployment.restart()
    assert unknown[0] == "warning" and "TRUSTED_PROXIES=0, but 1 proxy adds to X-Forwarded-For" in unknown[1]
    assert unknown[2] == "set TRUSTED_PROXIES=1 and restart"
    assert right[0] == "ok" and right[1].startswith("TRUSTED_PROXIES=1 is right")
    assert chosen[0] == "wrong" and "clients can choose their address" in chosen[1]
    assert chosen[2] == "set TRUSTED_PROXIES=0 and restart"
    assert stranger[0] == "skipped" and "another SECRET_KEYS" in stranger[1]


@pytest.mark.parametrize(
    "trusted, entries, seen, status, says",
    [
        # Two proxies that append, such as a load balancer and nginx.
        (
            "2",
            ["198.51.100.77", "8.8.8.8", "10.0.0.9"],
            "8.8.8.8",
            "ok",
            "TRUSTED_PROXIES=2 is right: the service sees 8",
        ),
        ("1", ["198.51.100.77", "8.8.8.8", "10.0.0.9"], "10.0.0.9", "warning", "clients share the address of a proxy"),
        ("3", ["198.51.100.77", "8.8.8.8", "10.0.0.9"], "198.51.100.77", "wrong", "clients can choose their address"),
        ("2", ["8.8.8.8"], None, "wrong", "no client's address is known"),
        # One on this machine that passes the header on and adds nothing.
        ("0", ["198.51.100.77"], None, "warning", "a proxy on this machine passes requests on"),
    ],
)
def test_what_other_proxies_do(
    diagnose: Diagnose,
    monkeypatch: pytest.MonkeyPatch,
    trusted: str,
    entries: list[str],
    seen: str | None,
    status: str,
    says: str,
) -> None:
    """There is no second proxy here, so the service's answer is made up."""
    arrived = json.dumps({"address": seen, "forwarded": entries}).encode()
    discovery = json.dumps({"issuer": "https://login.example.com"}).encode()

    def answer(_: str, path: str, **options: object) -> fetching.Fetched:
        return fetching.Fetched(200, {}, arrived if path.endswith("arrival") else discovery, 0.0, 0.0)

    monkeypatch.setattr(proxies, "fetch", answer)
    monkeypatch.setattr(publicaddress, "fetch", answer)
    found = diagnose(PUBLIC_BASE_URL="https://login.example.test", TRUSTED_PROXIES=trusted)
    assert found.status("public.client_address") == status
    assert says in found.worst("public.client_address")[1]


def test_the_answer_about_an_arrival_is_for_the_doctor_alone(deployment: Service) -> None:
    for shown in ({}, {"Doctor-Proof": f"1700000000.{'0' * 64}"}, {"Doctor-Proof": "x"}):
        answer = deployment.call("GET", "/.well-known/authsvc-arrival", headers=shown)
        assert (answer.status_code, json.loads(answer.text)["error"]) == (404, "not_found")
