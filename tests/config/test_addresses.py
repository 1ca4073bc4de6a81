"""Where credentials may travel: to this machine, to another over verified TLS, or in plain text by an explicit word."""

from pathlib import Path

import pytest
from sqlalchemy import make_url

from authsvc.config import BadSettings
from tests.config.test_settings import GOOD, problems, settings
from tests.harness.certificates import Authority

HERE = ("localhost", "127.0.0.1", "127.8.9.1", "[::1]")
ELSEWHERE = ("mariadb", "db.example.test", "10.0.0.7", "[fd00::7]", "127.0.0.1.example.test", "host.docker.internal")


@pytest.fixture
def ca(tmp_path: Path) -> str:
    return str(Authority(tmp_path).file)


@pytest.mark.parametrize("host", HERE)
def test_this_machine_needs_no_tls(host: str) -> None:
    assert settings(DATABASE_URL=f"mysql://u:p@{host}/d").database_url == f"mysql+pymysql://u:p@{host}/d"
    assert settings(REDIS_URL=f"redis://:p@{host}:6379/0").redis_url == f"redis://:p@{host}:6379/0"


def test_a_socket_is_this_machine_whatever_else_is_said() -> None:
    for url in ("mysql://u:p@/d?unix_socket=/run/mysqld/mysqld.sock", "mysql://u:p@db/d?unix_socket=/run/m.sock"):
        assert "ssl" not in settings(DATABASE_URL=url).database_url
    assert settings(REDIS_URL="unix:///run/redis.sock?password=p").redis_url is not None
    assert settings(DATABASE_URL="mysql:///d").database_url == "mysql+pymysql:///d"


@pytest.mark.parametrize("host", ELSEWHERE)
def test_a_database_on_another_machine_is_verified_or_plain_text_by_name(host: str, ca: str) -> None:
    (said,) = problems({**GOOD, "DATABASE_URL": f"mysql://u:hunter2@{host}/d"})
    assert said.startswith("DATABASE_URL ") and "ssl_ca" in said and "DATABASE_PLAIN_TEXT=1" in said
    assert "hunter2" not in said and host not in said
    verified = settings(DATABASE_URL=f"mysql://u:p@{host}/d?ssl_ca={ca}")
    assert verified.database_url.startswith(f"mysql+pymysql://u:p@{host}/d?ssl_ca=")
    # Not "TLS where the server happens to offer it": plain text is plain text.
    plain = settings(DATABASE_URL=f"mysql://u:p@{host}/d", DATABASE_PLAIN_TEXT="1")
    assert plain.database_url == f"mysql+pymysql://u:p@{host}/d?ssl_disabled=true"


@pytest.mark.parametrize(
    "query",
    [
        "charset=utf8mb4",
        "ssl_cert={ca}&ssl_key={ca}",
        "ssl_ca={ca}&ssl_check_hostname=false",
        "ssl_ca={ca}&ssl_verify_identity=false",
        "ssl_ca={ca}&ssl_verify_cert=0",
        "ssl_ca={ca}&ssl_disabled=true",
        "ssl_ca={ca}&ssl_mode=DISABLED",
        "ssl_ca=",
        "ssl_mode=REQUIRED",
        "ssl_verify_identity=true",
        "unix_socket",
    ],
)
def test_tls_that_verifies_nobody_does_not_count(query: str, ca: str) -> None:
    said = problems({**GOOD, "DATABASE_URL": f"mysql://u:p@db.example.test/d?{query.format(ca=ca)}"})
    assert any("DATABASE_PLAIN_TEXT=1" in line for line in said)


@pytest.mark.parametrize(
    "userinfo",
    [
        "u:p/127.0.0.1",
        "u:p#@127.0.0.1/x",
        "u:p?@127.0.0.1/x",
        "u:p@localhost",
        "u:p]@[::1]",
        "u:p@127.0.0.1:3306",
        "u@@",
    ],
)
def test_the_host_is_the_one_that_the_driver_will_connect_to(userinfo: str) -> None:
    try:
        read = settings(DATABASE_URL=f"mysql://{userinfo}@db.example.test/d")
    except BadSettings:
        return
    assert make_url(read.database_url).host == "127.0.0.1"


def test_what_asks_for_verification_in_other_words_is_said_in_the_one_that_works(ca: str) -> None:
    """Beside ssl_ca, PyMySQL's own ssl_verify_identity makes it forget the authority and the host name."""
    for more in (
        "",
        "&ssl_verify_identity=true",
        "&ssl_verify_cert=1&ssl_check_hostname=yes",
        "&ssl_mode=VERIFY_IDENTITY",
    ):
        for off in ("", "&ssl_disabled=false"):
            read = settings(DATABASE_URL=f"mysql://u:p@db.example.test/d?ssl_ca={ca}{more}{off}")
            assert read.database_url.partition("?")[2] == f"ssl_ca={ca.replace('/', '%2F')}"
    tunnel = settings(DATABASE_URL=f"mysql://u:p@127.0.0.1/d?ssl_ca={ca}&ssl_verify_identity=false")
    assert tunnel.database_url.endswith("&ssl_check_hostname=false")


def test_mysqlclient_says_it_in_its_own_words(ca: str) -> None:
    address = f"mysql+mysqldb://u:p@db.example.test/d?ssl_ca={ca}"
    assert len(problems({**GOOD, "DATABASE_URL": address})) == 1
    assert "ssl_mode=VERIFY_IDENTITY" in settings(DATABASE_URL=f"{address}&ssl_mode=VERIFY_IDENTITY").database_url


@pytest.mark.parametrize(
    "url, word",
    [
        ("mysql://u:p@127.0.0.1:0/d", "port"),
        ("mysql://u:p@127.0.0.1:65536/d", "port"),
        ("mysql://u:p@127.0.0.1:٣٣/d", "port"),
        ("mysql://u:p@127.0.0.1/d?host=db.example.test", "parameters"),
        ("mysql://u:p@127.0.0.1/d?sslca=/x", "parameters"),
        ("mysql://u:p@127.0.0.1/d?charset=a&charset=b", "twice"),
        ("mysql://u:p@127.0.0.1/d?ssl_ca=/nowhere/ca.pem", "ssl_ca does not name a readable PEM file"),
    ],
)
def test_what_the_driver_would_refuse_later_is_refused_at_once(url: str, word: str) -> None:
    (said,) = problems({**GOOD, "DATABASE_URL": url})
    assert said.startswith("DATABASE_URL") and word in said and "nowhere" not in said


REDIS = "redis.example.test:6379/0"


@pytest.mark.parametrize(
    "url, is_refused",
    [
        (f"redis://:hunter2@{REDIS}", True),
        (f"redis://user:hunter2@{REDIS}", True),
        (f"redis://{REDIS}?password=hunter2", True),
        (f"rediss://:hunter2@{REDIS}?ssl_cert_reqs=none", True),
        (f"rediss://:hunter2@{REDIS}?ssl_cert_reqs=optional", True),
        (f"rediss://:hunter2@{REDIS}?ssl_check_hostname=false", True),
        (f"rediss://:hunter2@{REDIS}", False),
        (f"rediss://:hunter2@{REDIS}?ssl_ca_certs=/etc/redis/ca.pem&ssl_check_hostname=true", False),
        (f"redis://{REDIS}", False),
    ],
)
def test_a_password_for_redis_goes_to_another_machine_over_verified_tls(url: str, is_refused: bool) -> None:
    if is_refused:
        (said,) = problems({**GOOD, "REDIS_URL": url})
        assert said.startswith("REDIS_URL ") and "REDIS_PLAIN_TEXT=1" in said
        assert "hunter2" not in said and "redis.example.test" not in said
    assert settings(REDIS_URL=url, REDIS_PLAIN_TEXT="1" if is_refused else "0").redis_url == url


@pytest.mark.parametrize("url", ["redis://127.0.0.1:0", "redis://127.0.0.1:99999/0", "redis://[::1", "redis:/x"])
def test_an_address_of_redis_that_is_none_is_refused_at_once(url: str) -> None:
    (said,) = problems({**GOOD, "REDIS_URL": url})
    assert said.startswith("REDIS_URL ")


def test_parameters_that_redis_does_not_know_are_refused_at_once() -> None:
    for query in ("host=redis.example.test", "sslcacerts=/x", "db=1&db=2"):
        (said,) = problems({**GOOD, "REDIS_URL": f"redis://127.0.0.1/0?{query}"})
        assert said.startswith("REDIS_URL has ")


IN_PARTS = {"MYSQL_ADDRESS": "10.0.0.7:3306", "MYSQL_USERNAME": "root", "MYSQL_PASSWORD": "p@ss/w:o%r?d#"}


def test_a_database_in_parts_is_the_same_as_in_one_address() -> None:
    read = settings(**IN_PARTS, DATABASE_PLAIN_TEXT="1")
    url = make_url(read.database_url)
    assert (url.host, url.port, url.username, url.password, url.database) == (
        *("10.0.0.7", 3306, "root"),
        *(IN_PARTS["MYSQL_PASSWORD"], "authsvc"),
    )
    assert IN_PARTS["MYSQL_PASSWORD"] in read.secrets
    named = {**IN_PARTS, "MYSQL_ADDRESS": "127.0.0.1", "MYSQL_DATABASE": "other"}
    assert settings(**named).database_url.endswith("@127.0.0.1/other")


def test_parts_count_only_without_an_address() -> None:
    assert (
        settings(**IN_PARTS, DATABASE_URL="mysql://u:p@localhost/d").database_url == "mysql+pymysql://u:p@localhost/d"
    )
    assert settings(MYSQL_PASSWORD="of another program").database_url.startswith("sqlite:")


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({}, "DATABASE_PLAIN_TEXT=1"),
        ({"MYSQL_ADDRESS": "mysql://10.0.0.7"}, "host:port"),
        ({"MYSQL_ADDRESS": "x@localhost"}, "host:port"),
        ({"MYSQL_ADDRESS": "localhost:99999"}, "port"),
        ({"MYSQL_USERNAME": ""}, "MYSQL_USERNAME is not set"),
    ],
    ids=["another machine", "scheme", "user", "port", "nobody"],
)
def test_parts_that_make_no_address_are_refused_by_name(changed: dict[str, str], word: str) -> None:
    (said,) = problems({**GOOD, **IN_PARTS, **changed})
    assert word in said and IN_PARTS["MYSQL_PASSWORD"] not in said
