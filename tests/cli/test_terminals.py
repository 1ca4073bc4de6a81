"""What the commands print where the terminal or pipe lacks a character: the rest, and an escape."""

import json
import os
import subprocess
import sys

import pytest

from tests.harness.service import Service
from tests.harness.signedin import native
from tests.harness.simulator import Simulator

pytestmark = pytest.mark.slow

NAME = "小美🩷"
SHOWN = {
    "gbk": "小美\\U0001fa77",
    "latin-1": "\\u5c0f\\u7f8e\\U0001fa77",
    "utf-8": NAME,
}


@pytest.fixture(scope="module")
def service(start_service) -> Service:
    return start_service("terminals", workers=1)


@pytest.fixture
def person(service: Service, simulator: Simulator) -> str:
    signed = native(service, simulator, "terminal-mei")
    device = {"User-Agent": "phone\x9b31m"}
    assert signed.call("PUT", "/api/v1/me", json={"nickname": NAME}).status_code == 200
    assert service.login(simulator.code("terminal-mei"), headers=device).status_code == 200
    return signed.user_id


def printed(service: Service, encoding: str, *arguments: str | bytes) -> tuple[int, bytes]:
    done = subprocess.run(
        [sys.executable, "-m", "flask", "--app", "wsgi:app", "authsvc", *arguments],
        env={**service.environment, "PYTHONIOENCODING": encoding},
        cwd=service.folder,
        capture_output=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout or done.stderr


@pytest.mark.parametrize("encoding", SHOWN)
def test_a_terminal_that_lacks_an_emoji_shows_the_rest(service: Service, person: str, encoding: str) -> None:
    code, output = printed(service, encoding, "users", "show", person)
    assert (code, SHOWN[encoding] in output.decode(encoding)) == (0, True), output


def test_json_stays_json_in_every_encoding(service: Service, person: str) -> None:
    code, output = printed(service, "gbk", "users", "export", person)
    assert code == 0
    assert json.loads(output.decode("gbk"))["users"][0]["nickname"] == NAME


def test_a_terminal_obeys_nothing_that_a_device_says(service: Service, person: str) -> None:
    code, output = printed(service, "utf-8", "users", "sessions", person)
    assert (code, "phone\\x9b31m" in output.decode()) == (0, True), output
    assert "\x9b" not in output.decode()


def test_an_argument_that_is_no_text_is_told_in_a_sentence(service: Service) -> None:
    code, output = printed(service, "utf-8", "users", "find", "--nickname", os.fsencode("\udcc0\udcb4"))
    assert code == 1 and b"not text" in output and b"Traceback" not in output, output
