"""The verifier alone in the world: without the rest of authsvc, in threads, after a fork, under gevent."""

import json
import subprocess
import sys
import time
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

import authsvc_verifier
from tests.harness.publisher import AUDIENCE, ISSUER, SESSION, Publisher
from tests.harness.waiting import wait_until

FOLDER = Path(authsvc_verifier.__file__).parents[1]
CREDENTIAL = "orders." + "c" * 43


def run(program: str, *arguments: str) -> list[str]:
    """Run a Python program; return the list that it prints as JSON."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program, *arguments],
        cwd=FOLDER,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: list[str] = json.loads(done.stdout)
    return found


LOADED = """
import importlib.abc, json, sys

class Nothing(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in sys.argv[1:]:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Nothing())
import authsvc_verifier
print(json.dumps([name for name in sys.modules if name.startswith("authsvc")]))
"""
# What pip installs for PyJWT, cryptography and requests.
NEEDED = {"pyjwt", "cryptography", "cffi", "requests", "urllib3", "certifi", "idna", "charset-normalizer"}


def test_it_needs_pyjwt_cryptography_and_requests_and_nothing_else_of_the_house() -> None:
    """Every other package of this environment is hidden."""
    installed = packages_distributions().items()
    hidden = [top for top, packages in installed if not {name.lower() for name in packages} & NEEDED]
    assert {"flask", "sqlalchemy", "flask_sqlalchemy", "marshmallow", "joserfc", "gevent"} <= set(hidden)
    ours = run(LOADED, "authsvc", *(top for top in hidden if top != "authsvc_verifier"))
    assert "authsvc_verifier.verifier" in ours
    assert {name.partition(".")[0] for name in ours} == {"authsvc_verifier"}


VERIFY = """
import json, sys, time
{patch}
from authsvc_verifier import TokenRevoked, Verifier
url, issuer, audience, credential, token = sys.argv[1:]
verifier = Verifier(issuer, audience, base_url=url, credential=credential, poll_seconds=0.1)

def waits_until_refused():
    verifier.verify(token)
    give_up = time.monotonic() + 10
    while time.monotonic() < give_up:
        try:
            verifier.verify(token)
        except TokenRevoked:
            return "refused"
        time.sleep(0.05)
    return "never refused"

{work}
"""
WORKS = {
    "a thread": ("", "print(json.dumps([waits_until_refused()]), flush=True)"),
    "gevent": (
        "from gevent import monkey; monkey.patch_all(); import gevent",
        "jobs = [gevent.spawn(waits_until_refused) for _ in range(5)]; gevent.joinall(jobs)\n"
        "print(json.dumps([job.value for job in jobs]), flush=True)",
    ),
    "a fork after the first use": (
        "import os",
        """
verifier.verify(token)
reader, writer = os.pipe()
for _ in range(2):
    if os.fork() == 0:
        os.write(writer, waits_until_refused().encode() + b" ")
        os._exit(0)
found = [waits_until_refused()]
for _ in range(2):
    os.wait()
print(json.dumps(found + os.read(reader, 100).decode().split()), flush=True)
""",
    ),
}


@pytest.mark.parametrize("name", WORKS)
def test_a_logout_arrives_by_itself_in_every_process(name: str, publisher: Publisher) -> None:
    """Real time here: the poll is somebody else's."""
    patch, work = WORKS[name]
    publisher.clock.moment = time.time()
    token, asked = publisher.token(), []

    def feed(since: int | None) -> tuple:
        publisher.clock.moment = time.time()
        asked.append(since)
        publisher.feed = {"sessions": SESSION[:11]} if len(asked) > 20 else {}
        return publisher.signed_feed(since)

    publisher.answers["/oauth/revocations"] = feed
    # -W error is what Python 3.12 says of a fork beside threads: said here, and no matter.
    program = VERIFY.format(patch="import warnings; warnings.simplefilter('ignore')\n" + patch, work=work)
    found = run(program, publisher.url, ISSUER, AUDIENCE, CREDENTIAL, token)
    assert found and set(found) == {"refused"}


def test_close_ends_the_thread(publisher: Publisher) -> None:
    verifier = publisher.verifier(credential=CREDENTIAL, background=True, poll_seconds=0.02)
    verifier.verify(publisher.token())
    wait_until(lambda: publisher.asked("/oauth/revocations") > 3)
    thread = verifier._thread
    verifier.close()
    assert thread is not None
    thread.join(5)
    assert not thread.is_alive()
