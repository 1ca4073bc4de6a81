"""A real simulator process on a free port, and a small hand to drive it."""

import subprocess
import sys
import time
from collections import namedtuple

import pytest
import requests

from tests.harness.places import ROOT

APPID = "wx51a051a000000001"
SECRET = "51a051a051a051a051a051a051a051a0"
SISTER = "wx51a051a000000002"  # in the same Open Platform account as BOUND
BOUND = "wx51a051a000000003"
OFFICIAL = "wx4f4bc4dec97d474b"

Process = namedtuple("Process", "popen line")


class Simulator:
    """The simulator as a test sees it: three interfaces over HTTP."""

    appid, secret, sister, bound, official = APPID, SECRET, SISTER, BOUND, OFFICIAL

    def __init__(self, base):
        self.base = base
        self.port = int(base.rsplit(":", 1)[1])
        self.http = requests.Session()
        self.http.trust_env = False

    def post(self, path, /, **body):
        return self.http.post(self.base + path, json=body, timeout=10)

    def phone(self, action, user="alice", appid=APPID, **more):
        reply = self.post(f"/phone/{action}", appid=appid, user=user, **more)
        assert reply.status_code == 200, reply.text
        return reply.json()

    def login(self, user="alice", **more):
        return self.phone("login", user, **more)["code"]

    def control(self, name, /, **body):
        reply = self.post(f"/control/{name}", **body)
        assert reply.status_code < 300, reply.text
        return reply.json()

    def put_user(self, name, /, **facts):
        reply = self.http.put(f"{self.base}/control/users/{name}", json=facts, timeout=10)
        assert reply.status_code == 200, reply.text
        return reply.json()

    def fault(self, kind, *, times=1, code=None, path="/sns/jscode2session", **options):
        return self.control("faults", path=path, times=times, code=code, fault={"kind": kind, **options})

    def journal(self, **filters):
        return self.http.get(f"{self.base}/control/journal", params=filters, timeout=10).json()["calls"]

    def eventually(self, condition, seconds=3):
        """Wait until `condition()` holds; say whether it ever did."""
        deadline = time.monotonic() + seconds
        while not (holds := condition()) and time.monotonic() < deadline:
            time.sleep(0.02)
        return holds

    def query(self, code, **changes):
        fields = {"appid": APPID, "secret": SECRET, "js_code": code, "grant_type": "authorization_code"}
        return {name: value for name, value in {**fields, **changes}.items() if value is not None}

    def exchange(self, code, *, timeout=10, **changes):
        """Ask as a server would, on a connection of its own."""
        with requests.Session() as http:
            http.trust_env = False
            url = f"{self.base}/sns/jscode2session"
            return http.get(url, params=self.query(code, **changes), timeout=timeout, allow_redirects=False)

    def refusal(self, code, **changes):
        return self.exchange(code, **changes).json().get("errcode")


@pytest.fixture
def launch(tmp_path):
    """Start `python -m authsvc.wxsim` in an empty folder; returns once it has said one line, or ended."""
    started = []

    def start(*options, env=None, folder=tmp_path):
        popen = launch_process(*options, env=env, folder=folder)
        started.append(popen)
        return Process(popen, popen.stdout.readline())

    yield start
    for popen in started:
        stop_process(popen)


@pytest.fixture(scope="session")
def _simulator(tmp_path_factory):
    popen = launch_process(
        *(
            "--app",
            f"{APPID}:{SECRET}",
            "--app",
            f"{SISTER}:{SECRET}:studio",
            "--app",
            f"{BOUND}:{SECRET}:studio",
        ),
        *("--app", f"{OFFICIAL}:{SECRET}:studio"),
        folder=tmp_path_factory.mktemp("wxsim"),
    )
    base = popen.stdout.readline().split()[2]
    yield Simulator(base)
    stop_process(popen)


@pytest.fixture
def sim(_simulator):
    """The simulator, as it was at its start."""
    _simulator.control("reset")
    return _simulator


def launch_process(*options, env=None, folder):
    command = [sys.executable, "-m", "authsvc.wxsim", "--port", "0", *options]
    return subprocess.Popen(
        command,
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), **(env or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def stop_process(popen):
    popen.terminate()
    try:
        popen.communicate(timeout=5)
    except subprocess.TimeoutExpired:
        popen.kill()
        popen.communicate()
