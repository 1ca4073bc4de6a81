"""deploy/: nginx with our configuration in front of the real service, and the systemd unit."""

import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from authsvc.services.avatars import MAX_UPLOAD_BYTES
from authsvc.web.bodies import MAX_BODY_BYTES
from tests.harness.nginx import DEPLOY, Nginx, skip_without_nginx
from tests.harness.service import Service
from tests.harness.simulator import Simulator

ROOT = Path(__file__).resolve().parents[2]


def in_front_of(port: int, folder: Path) -> Nginx:
    return Nginx(folder, "nginx.conf", {"127.0.0.1:8000": f"127.0.0.1:{port}"})


def access_log(nginx: Nginx) -> str:
    time.sleep(0.1)  # the line is written after the answer is sent
    return (nginx.folder / "authsvc.log").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def nginx(tmp_path_factory: pytest.TempPathFactory, sqlite_service: Service) -> Iterator[Nginx]:
    skip_without_nginx()
    server = in_front_of(sqlite_service.port, tmp_path_factory.mktemp("nginx"))
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
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 403")


def test_half_a_request_does_not_reach_the_service(sqlite_service: Service, nginx: Nginx) -> None:
    before = sqlite_service.log.read_text().count("/user/wxlogin")
    port = int(nginx.url.rsplit(":", 1)[1])
    with socket.create_connection(("127.0.0.1", port)) as slow:
        slow.sendall(b"POST /user/wxlogin HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n")
        slow.sendall(b"Content-Length: 900\r\n\r\n{")
        time.sleep(0.5)
        assert sqlite_service.log.read_text().count("/user/wxlogin") == before


def test_a_service_that_is_away_is_said_in_json_with_the_time_to_come_back(tmp_path: Path, nginx: Nginx) -> None:
    gone = in_front_of(1, tmp_path)
    process = gone.start()
    try:
        answer = requests.post(f"{gone.url}/user/wxlogin?code=c0de", json={"platCode": "c"}, timeout=10)
    finally:
        process.stop()
    assert (answer.status_code, answer.json()["action"], answer.headers["Retry-After"]) == (503, "retry", "2")
    assert "c0de" not in access_log(gone) + (tmp_path / "authsvc.error.log").read_text()


def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    if not shutil.which("systemd-analyze"):
        pytest.skip("skipped: no systemd-analyze here (part of systemd)")
    unit = (DEPLOY / "authsvc.service").read_text(encoding="utf-8")
    program = shutil.which("true")
    (tmp_path / "authsvc.service").write_text(re.sub(r"=/opt/authsvc/.venv/bin/gunicorn", f"={program}", unit))
    command = ["systemd-analyze", "verify", "--man=no", str(tmp_path / "authsvc.service")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    complaints = [line for line in done.stderr.splitlines() if "authsvc.service" in line]
    assert complaints == [], done.stderr


def test_the_limits_of_nginx_and_of_the_service_are_the_same() -> None:
    limits = re.findall(r"client_max_body_size (\d+)k;", (DEPLOY / "nginx.conf").read_text(encoding="utf-8"))
    assert [int(limit) * 1024 for limit in limits] == [MAX_BODY_BYTES, MAX_UPLOAD_BYTES + 8 * 1024]
