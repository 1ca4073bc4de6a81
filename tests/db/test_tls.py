"""TLS to the database: verified by authority and host name, whatever words ask for it, or no connection at all."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from authsvc.db import engine
from tests.config.test_settings import settings
from tests.harness.certificates import Authority
from tests.harness.mariadb import MariaDBServer


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def server(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MariaDBServer]:
    """One with a certificate for 127.0.0.1, not for localhost."""
    certificate, key = authority.pair("127.0.0.1")
    started = MariaDBServer(tmp_path_factory.mktemp("tls"), f"--ssl-cert={certificate}", f"--ssl-key={key}")
    started.sql("CREATE DATABASE d", "CREATE USER u@'%' IDENTIFIED BY 'pw'", "GRANT ALL ON d.* TO u@'%'")
    yield started
    started.remove()


def cipher(server: MariaDBServer, query: str, host: str = "127.0.0.1") -> str:
    """Connect as a service with this address would; return the cipher, empty for plain text."""
    url = settings(DATABASE_URL=f"mysql://u:pw@{host}:{server.port}/d{query}").database_url
    made = create_engine(url, **engine.options(url, 1))
    engine.listen(made)
    try:
        with made.connect() as connection:
            _, found = connection.execute(text("SHOW STATUS LIKE 'Ssl_cipher'")).one()
            return str(found)
    finally:
        made.dispose()


WORDS = ("", "&ssl_verify_identity=true", "&ssl_verify_cert=true&ssl_verify_identity=1", "&ssl_mode=VERIFY_IDENTITY")


@pytest.mark.parametrize("words", WORDS)
def test_with_an_authority_it_is_tls_and_the_name_is_checked(
    server: MariaDBServer, authority: Authority, tmp_path: Path, words: str
) -> None:
    query = f"?ssl_ca={authority.file}{words}"
    assert cipher(server, query).startswith("TLS_")
    with pytest.raises(OperationalError, match="Hostname mismatch"):
        cipher(server, query, host="localhost")
    with pytest.raises(OperationalError, match="CERTIFICATE_VERIFY_FAILED"):
        cipher(server, f"?ssl_ca={Authority(tmp_path, 'a stranger').file}{words}")


def test_a_server_that_offers_no_tls_is_refused_and_plain_text_is_plain(
    server: MariaDBServer, authority: Authority
) -> None:
    assert cipher(server, "") == ""
    server.stop()
    server.start("--skip-ssl")
    with pytest.raises(OperationalError, match="SSL"):
        cipher(server, f"?ssl_ca={authority.file}")
