"""deploy/: nginx with our configuration in front of the real service, and the systemd unit."""

import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from authsvc.errors import TooManyRequests
from authsvc.services.people.avatars import MAX_UPLOAD_BYTES
from authsvc.web.bodies import MAX_BODY_BYTES
from tests.harness import pictures, signedin
from tests.harness.certificates import Authority
from tests.harness.databases import REQUIRED
from tests.harness.nginx import DEPLOY, Nginx, in_front_of, skip_without_nginx
from tests.harness.places import ROOT
from tests.harness.service import Service
from tests.harness.simulator import Simulator

UNIT = DEPLOY / "authsvc.service"


def access_log(nginx: Nginx) -> str:
    time.sleep(0.1)  # the line is written after the answer is sent
    return (nginx.folder / "authsvc.log").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def nginx(tmp_path_factory: pytest.TempPathFactory, sqlite_service: Service) -> Iterator[Nginx]:
    skip_without_nginx()
    server = in_front_of(tmp_path_factory.mktemp("nginx"), sqlite_service.port)
    process = server.start()
    yield server
    process.stop()


def test_a_login_goes_through_and_its_query_reaches_no_log(
    simulator: Simulator, sqlite_service: Service, nginx: Nginx
) -> None:
    code = simulator.code("ning")
    answer = requests.post(f"{nginx.url}/api/v1/auth/login?code={code}", json={"code": code}, timeout=10)
    assert answer.status_code == 200, answer.text
    sqlite_service.keep(answer.headers, answer.content)
    requests.get(f"{nginx.url}/nowhere?js_code={code}", timeout=10)
    logged = access_log(nginx)
    assert '"POST /api/v1/auth/login" 200' in logged and answer.headers["X-Request-ID"] in logged
    assert code not in logged and "?" not in logged


def test_a_body_over_16_kilobytes_is_refused_in_json(nginx: Nginx) -> None:
    answer = requests.post(f"{nginx.url}/user/wxlogin", json={"platCode": "x" * 20_000}, timeout=10)
    assert (answer.status_code, answer.json()["error"], answer.json()["code"]) == (413, "body_too_large", 413)


def test_a_picture_of_two_megabytes_comes_through_and_a_larger_one_does_not(nginx: Nginx) -> None:
    def upload(size: int) -> tuple[int, str]:
        files = {"file": ("me.png", b"\x89PNG" + bytes(size), "image/png")}
        answer = requests.post(f"{nginx.url}/api/v1/me/avatar", files=files, timeout=10)
        return answer.status_code, answer.json()["error"]

    assert upload(MAX_UPLOAD_BYTES - 4) == (401, "unauthenticated")  # authsvc's own answer
    assert upload(MAX_UPLOAD_BYTES + 9 * 1024) == (413, "body_too_large")


def test_whoever_is_still_sending_a_picture_when_it_is_refused_reads_why(sqlite_service: Service) -> None:
    """As nginx does: without the rest being taken in, the connection is reset, and nginx says 502."""
    size = MAX_UPLOAD_BYTES // 2
    head = f"POST /api/v1/me/avatar HTTP/1.0\r\nContent-Type: multipart/form-data; boundary=x\r\nContent-Length: {size}"
    with socket.create_connection(("127.0.0.1", sqlite_service.port), timeout=10) as sender:
        sender.sendall(f"{head}\r\n\r\n".encode())
        for _ in range(4):
            time.sleep(0.1)
            sender.sendall(bytes(size // 4))
        assert b" 401 " in sender.recv(100)


@pytest.mark.parametrize("path", ["/internal/v1/access_token", "//internal/v1/access_token", "/a/../%69nternal/v1/x"])
def test_what_is_for_other_services_is_not_reached_from_outside(nginx: Nginx, path: str) -> None:
    host, port = nginx.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 403")


@pytest.mark.parametrize("host", ["a", "127.0.0.1.example.test", "login.example.com", ""])
def test_whoever_asks_for_another_name_gets_no_answer(nginx: Nginx, host: str) -> None:
    with socket.create_connection(("127.0.0.1", nginx.port), timeout=10) as connection:
        connection.sendall(f"GET /healthz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        answer = connection.recv(100)
    assert answer == b"" or (host == "" and answer.startswith(b"HTTP/1.1 400"))


def test_over_tls_browsers_are_told_to_stay_there_and_strangers_not_even_a_certificate(
    sqlite_service: Service, tmp_path: Path
) -> None:
    skip_without_nginx()
    authority = Authority(tmp_path)
    changes = {"127.0.0.1:8000": f"127.0.0.1:{sqlite_service.port}"}
    nginx = Nginx(tmp_path, "nginx.conf", changes, authority.pair("login.example.com"))
    process = nginx.start()
    context = ssl.create_default_context(cafile=authority.file)

    def answer(name: str, path: str) -> bytes:
        with (
            socket.create_connection(("127.0.0.1", nginx.port), timeout=10) as connection,
            context.wrap_socket(connection, server_hostname=name) as tls,
        ):
            tls.sendall(f"GET {path} HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode())
            return tls.makefile("rb").read()

    try:
        for path in ("/healthz", "/nowhere", "/internal/x"):
            said = answer("login.example.com", path)
            assert b"\r\nStrict-Transport-Security: max-age=31536000\r\n" in said
            assert b"\r\nServer: nginx\r\n" in said  # without its version
        with pytest.raises(ssl.SSLError, match="UNRECOGNIZED_NAME"):
            answer("other.example.com", "/healthz")
    finally:
        process.stop()


def test_one_client_is_held_to_its_share_and_others_are_not(
    simulator: Simulator, sqlite_service: Service, tmp_path: Path
) -> None:
    skip_without_nginx()
    small = {"rate=200r/s": "rate=1r/m", "burst=400": "burst=4", "authsvc_at_once 200": "authsvc_at_once 2"}
    addresses = {"server_tokens off;": "server_tokens off; set_real_ip_from 127.0.0.1; real_ip_header X-Test;"}
    nginx = in_front_of(tmp_path, sqlite_service.port, changes={**small, **addresses})
    process = nginx.start()

    def ask(address: str) -> requests.Response:
        return requests.get(f"{nginx.url}/healthz", headers={"X-Test": address}, timeout=10)

    def login(_: int) -> int:
        body = {"code": simulator.code("at-once")}
        return requests.post(
            f"{nginx.url}/api/v1/auth/login", json=body, headers={"X-Test": "198.51.100.9"}, timeout=10
        ).status_code

    try:
        answers = [ask("192.0.2.1") for _ in range(7)]
        assert [answer.status_code for answer in answers] == [200] * 5 + [429] * 2
        refusal = answers[-1]
        assert (refusal.json()["error"], refusal.json()["action"]) == ("too_many_requests", "retry")
        assert refusal.json()["msg"] == TooManyRequests.zh
        assert (refusal.headers["Retry-After"], refusal.headers["Content-Type"]) == ("1", "application/json")
        assert ask("192.0.2.2").status_code == 200
        # Of IPv6, a subscriber has a whole /64.
        of_one = [ask(f"2001:db8:7::{number:x}").status_code for number in range(1, 8)]
        assert of_one == [200] * 5 + [429] * 2 and ask("2001:db8:7:1::1").status_code == 200
        simulator.slow_down(1.0)
        with ThreadPoolExecutor(4) as clients:
            assert sorted(clients.map(login, range(4))) == [200, 200, 429, 429]
    finally:
        simulator.slow_down(0)
        process.stop()


def test_half_a_request_does_not_reach_the_service(sqlite_service: Service, nginx: Nginx) -> None:
    before = sqlite_service.log.read_text().count("/user/wxlogin")
    port = int(nginx.url.rsplit(":", 1)[1])
    with socket.create_connection(("127.0.0.1", port)) as slow:
        slow.sendall(b"POST /user/wxlogin HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n")
        slow.sendall(b"Content-Length: 900\r\n\r\n{")
        time.sleep(0.5)
        assert sqlite_service.log.read_text().count("/user/wxlogin") == before


def test_a_service_that_is_away_is_said_in_json_with_the_time_to_come_back(tmp_path: Path, nginx: Nginx) -> None:
    gone = in_front_of(tmp_path, 1)
    process = gone.start()
    try:
        answer = requests.post(f"{gone.url}/user/wxlogin?code=c0de", json={"platCode": "c"}, timeout=10)
    finally:
        process.stop()
    assert (answer.status_code, answer.json()["action"], answer.headers["Retry-After"]) == (503, "retry", "2")
    assert "c0de" not in access_log(gone) + (tmp_path / "authsvc.error.log").read_text()


def skip_without_systemd() -> None:
    if not shutil.which("systemd-analyze"):
        sentence = "skipped: no systemd-analyze here (apt-get install systemd)"
        pytest.fail(sentence) if REQUIRED else pytest.skip(sentence)


def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    skip_without_systemd()
    unit = UNIT.read_text(encoding="utf-8")
    program = shutil.which("true")
    (tmp_path / "authsvc.service").write_text(re.sub(r"=/opt/authsvc/.venv/bin/gunicorn", f"={program}", unit))
    command = ["systemd-analyze", "verify", "--man=no", str(tmp_path / "authsvc.service")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    complaints = [line for line in done.stderr.splitlines() if "authsvc.service" in line]
    assert complaints == [], done.stderr


def test_the_unit_exposes_little(figures: Callable[[str], None]) -> None:
    skip_without_systemd()
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager", str(UNIT)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    exposure = re.search(r"Overall exposure level for authsvc.service: ([0-9.]+)", done.stdout)
    assert exposure, done.stderr
    figures(f"systemd-analyze security: {exposure[1]} of 10")
    assert float(exposure[1]) < 1.3


def test_the_service_runs_as_the_unit_confines_it(
    simulator: Simulator, start_briefly: Callable[..., Service], run_folder: Path
) -> None:
    skip_without_systemd()
    if os.geteuid() != 0:
        pytest.skip("skipped: only root may set up what systemd would")
    within = (sys.executable, str(ROOT / "tests" / "harness" / "sandbox.py"), str(UNIT), str(run_folder))
    service = start_briefly("confined", within=within)
    (worker, *_) = service.workers()
    status = dict(re.findall(r"(\w+):\t(.*)", Path(f"/proc/{worker}/status").read_text()))
    assert (status["Seccomp"], status["NoNewPrivs"], int(status["CapBnd"], 16)) == ("2", "1", 0)
    token = signedin.native(service, simulator, "confined").access
    upload = {"file": ("me.png", pictures.png())}
    stored = service.call("POST", "/api/v1/me/avatar", token=token, files=upload)
    assert stored.status_code == 200, stored.text
    assert service.call("GET", "/api/v1/me/invite/qrcode", token=token).status_code == 200
    assert service.call("GET", "/readyz").status_code == 200
    assert "confined" not in service.flask("authsvc", "purge")
    service.process.stop()
    said = service.log.read_text()
    assert not re.search(r"Traceback|Operation not permitted|Read-only file system|Permission denied", said)


def test_the_limits_of_nginx_and_of_the_service_are_the_same() -> None:
    limits = re.findall(r"client_max_body_size (\d+)k;", (DEPLOY / "nginx.conf").read_text(encoding="utf-8"))
    assert [int(limit) * 1024 for limit in limits] == [MAX_BODY_BYTES, MAX_UPLOAD_BYTES + 8 * 1024]
