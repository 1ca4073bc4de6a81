"""The page of simulated phones, as far as HTTP shows it; tests/wxsim/test_phones_page.py clicks on it."""

import requests

from authsvc.wxsim import page
from authsvc.wxsim.app import create_simulator
from authsvc.wxsim.world import App
from tests.wxsim.conftest import APPID, SECRET

NEVER_THERE = "http://127.0.0.1:9"


def shown(authsvc=NEVER_THERE, **headers):
    return create_simulator([App(APPID, SECRET)], authsvc=authsvc).test_client().get("/", headers=headers)


def test_the_page_runs_nothing_but_its_own_and_speaks_the_browsers_language():
    answer = shown(**{"Accept-Language": "en"})
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "unsafe" not in policy
    assert ('<html lang="en">' in answer.text, answer.headers["Vary"]) == (True, "Accept-Language")
    assert '<html lang="zh-CN">' in shown().text


def test_without_authsvc_or_the_login_manager_it_says_so(monkeypatch, tmp_path):
    assert "start it with --authsvc" in shown(authsvc=None, **{"Accept-Language": "en"}).text
    monkeypatch.setattr(page, "KIT", tmp_path / "not there")
    without = shown(**{"Accept-Language": "en"}).text
    assert "start the simulator from a checkout" in without and "<script" not in without


def test_calls_are_forwarded_on_this_machine_alone(launch):
    for address in ("http://login.example.com:8000", "https://127.0.0.1:8000", "http://127.0.0.1"):
        ended = launch("--authsvc", address).popen
        assert (ended.wait(10), "is not an address on this machine" in ended.stderr.read()) == (2, True)
    base = launch("--authsvc", NEVER_THERE).line.split()[2]
    answer = requests.get(f"{base}/ui/authsvc/readyz", timeout=10)
    assert answer.status_code == 502 and "authsvc does not answer" in answer.json()["error"]
    client = create_simulator([App(APPID, SECRET)], authsvc=NEVER_THERE).test_client()
    elsewhere = client.get("/ui/authsvc/readyz", environ_base={"REMOTE_ADDR": "192.0.2.7"})
    assert elsewhere.status_code == 403


def test_the_codes_drawn_lately_are_listed(sim):
    token = sim.http.post(
        f"{sim.base}/cgi-bin/stable_token", json={"grant_type": "client_credential", "appid": APPID, "secret": SECRET}
    ).json()["access_token"]
    for scene in ("a=1", "t=2"):
        body = {"scene": scene, "page": "pages/scan/scan"}
        sim.http.post(f"{sim.base}/wxa/getwxacodeunlimit", params={"access_token": token}, json=body)
    codes = sim.http.get(f"{sim.base}/control/codes").json()["codes"]
    assert codes == [{"appid": APPID, "path": f"pages/scan/scan?scene={scene}"} for scene in ("t%3D2", "a%3D1")]
