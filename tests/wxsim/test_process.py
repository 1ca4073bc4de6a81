"""Starting, stopping, and staying away from production."""

import signal
import socket
import subprocess
import sys
import time

import pytest
import requests

pytestmark = pytest.mark.slow

REAL = "wx0123456789abcdef"
SIMULATED = "wx51a051a012345678"


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_it_says_one_line_and_stops_quickly_and_silently_even_with_a_call_hanging(launch, how):
    popen, line = launch()
    base = line.split()[2]
    requests.post(f"{base}/control/faults", json={"fault": {"kind": "hang"}}, timeout=5)
    with socket.create_connection(("127.0.0.1", int(base.rsplit(":", 1)[1]))) as hanging:
        hanging.sendall(b"GET /sns/jscode2session HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert requests.get(f"{base}/control/health", timeout=5).json()["apps"] == ["wx51a051a000000001"]
        started = time.monotonic()
        popen.send_signal(how)
        rest, errors = popen.communicate(timeout=5)
    assert time.monotonic() - started < 2
    assert (popen.returncode, rest, errors) == (0, "", "")


def test_a_taken_port_is_one_clear_line(launch):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        popen, line = launch("--port", port)
        _, errors = popen.communicate(timeout=5)
    assert line == "" and popen.returncode != 0
    assert errors.strip() == f"Error: cannot listen on 127.0.0.1:{port}: Address already in use"


def test_without_the_extra_it_says_in_one_line_what_to_install(tmp_path):
    program = "import runpy, sys; sys.modules['segno'] = None; runpy.run_module('authsvc.wxsim', run_name='__main__')"
    ended = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (1, "")
    said = "Error: the simulator needs segno, from the extra [sim]; run: scripts/setup sim, or pip install segno"
    assert ended.stderr.splitlines() == [said]


@pytest.mark.parametrize(
    "env",
    [
        {"WX_APPID": REAL},
        {"WECHAT_APPID": REAL, "WX_API_BASE": "https://api.weixin.qq.com"},
        {"WX_APPID": REAL, "WX_API_BASE": "https://sh.api.weixin.qq.com/"},
    ],
)
def test_it_does_not_start_beside_a_production_configuration(launch, env):
    popen, line = launch(env=env)
    _, errors = popen.communicate(timeout=5)
    assert line == "" and popen.returncode != 0
    assert "production" in errors and len(errors.strip().splitlines()) == 1


@pytest.mark.parametrize("name", [".env", "apps.toml"])
def test_a_production_appid_in_a_file_counts_too(launch, tmp_path, name):
    (tmp_path / name).write_text(f'WX_APPID="{REAL}"\nWX_SECRET=do-not-print\n')
    popen, line = launch(env={"WX_APPS_FILE": "apps.toml"})
    _, errors = popen.communicate(timeout=5)
    assert line == "" and popen.returncode != 0
    assert REAL in errors and "do-not-print" not in errors


@pytest.mark.parametrize(
    "env",
    [
        {"WX_APPID": SIMULATED},
        {"WX_APPID": "wx4f4bc4dec97d474b"},
        {"WX_APPID": REAL, "WX_API_BASE": "http://127.0.0.1:8089"},
    ],
)
def test_it_starts_beside_a_configuration_that_cannot_reach_wechat_as_somebody(launch, env):
    assert launch(env=env).line.startswith("WeChat simulator: http://127.0.0.1:")


def test_a_real_appid_is_not_served(launch, sim):
    popen, _ = launch("--app", f"{REAL}:secret")
    _, errors = popen.communicate(timeout=5)
    assert popen.returncode != 0 and "not a simulated AppID" in errors
    assert sim.post("/control/apps", appid=REAL, secret="s").status_code == 403
    assert sim.refusal("any", appid=REAL) == 40013


def test_an_app_can_join_an_open_platform_account_later(sim):
    assert sim.post("/control/apps", appid=SIMULATED, secret="s").status_code == 201
    code = sim.login(appid=SIMULATED)
    assert sim.control("apps", appid=SIMULATED, secret="s", unionid_group="studio")["unionid_group"] == "studio"
    assert "unionid" in sim.exchange(code, appid=SIMULATED, secret="s").json()
    listed = sim.http.get(f"{sim.base}/control/apps", timeout=5).json()["apps"]
    assert {"appid": SIMULATED, "unionid_group": "studio"} in listed
