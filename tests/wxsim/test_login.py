"""jscode2session and wx.login: what WeChat checks, in which order, and how keys and codes live."""

import base64
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

RID = r"[0-9a-f]{8}-[0-9a-f]{8}-[0-9a-f]{8}"


def test_success_has_no_errcode_and_the_shapes_of_real_answers(sim):
    code = sim.login()
    reply = sim.exchange(code)
    body = reply.json()
    assert re.fullmatch(r"[A-Za-z0-9]{32}", code)
    assert (reply.status_code, reply.headers["Content-Type"]) == (200, "text/plain")
    assert list(body) == ["session_key", "openid"]
    assert re.fullmatch(r"o[A-Za-z0-9_-]{27}", body["openid"])
    assert len(base64.b64decode(body["session_key"], validate=True)) == 16
    assert " " not in reply.text


def test_a_user_has_one_openid_per_app_and_one_unionid_per_open_platform_account(sim):
    answers = {
        appid: sim.exchange(sim.login(appid=appid), appid=appid).json() for appid in (sim.appid, sim.sister, sim.bound)
    }
    assert len({answer["openid"] for answer in answers.values()}) == 3
    assert "unionid" not in answers[sim.appid]
    assert answers[sim.sister]["unionid"] == answers[sim.bound]["unionid"]
    assert re.fullmatch(r"o[A-Za-z0-9_-]{27}", answers[sim.bound]["unionid"])
    assert list(answers[sim.bound]) == ["session_key", "openid", "unionid"]


def test_the_code_of_developer_tools_without_an_appid_is_one_person_as_often_as_it_comes(sim):
    answers = [sim.exchange("the code is a mock one").json() for _ in range(3)]
    assert answers[0] == answers[1] == answers[2]
    assert answers[0]["openid"] == sim.exchange(sim.login(user="tourist")).json()["openid"]


@pytest.mark.parametrize(
    ("changes", "errcode", "text"),
    [
        ({"appid": None, "secret": None, "js_code": None}, 41002, "appid missing"),
        ({"secret": "", "js_code": ""}, 41004, "appsecret missing"),
        ({"js_code": "", "appid": "wx0"}, 41008, "missing code"),
        ({"appid": "wx51a051a0ffffffff", "secret": "wrong"}, 40013, "invalid appid"),
        ({"secret": "wrong", "grant_type": "wrong"}, 40125, "invalid appsecret"),
        ({"grant_type": None, "js_code": "unknown"}, 40002, "invalid grant_type"),
        ({"js_code": "unknown"}, 40029, "invalid code"),
    ],
)
def test_refusals_come_in_wechats_order_and_words(sim, changes, errcode, text):
    reply = sim.exchange(sim.login(), **changes)
    assert (reply.status_code, reply.json()["errcode"]) == (200, errcode)
    assert re.fullmatch(rf"{text}, rid: {RID}", reply.json()["errmsg"])


def test_a_rid_begins_with_the_time_and_is_never_the_same(sim):
    rids = [sim.exchange("unknown").json()["errmsg"].rpartition(" ")[2] for _ in range(2)]
    assert rids[0] != rids[1]
    assert abs(int(rids[0][:8], 16) - time.time()) < 5


def test_other_verbs_and_paths_are_refused_with_http_200(sim):
    assert sim.post("/sns/jscode2session").json()["errcode"] == 43001
    reply = sim.http.get(f"{sim.base}/cgi-bin/nothing", timeout=5)
    assert (reply.status_code, reply.json()["errcode"]) == (200, 40066)
    assert re.fullmatch(rf"invalid url rid: {RID}", reply.json()["errmsg"])


def test_a_code_works_once_for_its_own_app_and_for_five_minutes(sim):
    code = sim.login()
    assert sim.refusal(code, appid=sim.sister) == 40029
    sim.control("clock", advance=299)
    assert "openid" in sim.exchange(code).json()
    assert sim.refusal(code) == 40163
    late = sim.login()
    sim.control("clock", advance=300)
    assert sim.refusal(late) == 40029
    assert sim.http.get(f"{sim.base}/control/clock", timeout=5).json()["offset"] == 599


def test_of_fifty_simultaneous_exchanges_one_succeeds(sim):
    code, barrier = sim.login(), threading.Barrier(50)

    def race(_):
        barrier.wait()
        return sim.exchange(code).json().get("errcode", 0)

    with ThreadPoolExecutor(50) as pool:
        verdicts = list(pool.map(race, range(50)))
    assert sorted(verdicts) == [0] + [40163] * 49
    assert [call["consumed"] for call in sim.journal(code=code)].count(True) == 1


def test_a_login_keeps_a_young_key_and_replaces_an_old_one(sim):
    first = sim.exchange(sim.login()).json()["session_key"]
    sim.control("clock", advance=59)
    assert sim.exchange(sim.login()).json()["session_key"] == first
    sim.control("clock", advance=1)
    assert sim.exchange(sim.login()).json()["session_key"] != first


def test_the_key_is_replaced_by_the_login_and_not_by_the_exchange(sim):
    early, late = sim.login(), sim.login(rotate=True)
    current = sim.http.get(f"{sim.base}/control/users/alice", timeout=5).json()["accounts"][0]["session_key"]
    assert sim.exchange(early).json()["session_key"] == current
    assert sim.exchange(late).json()["session_key"] == current


def test_rotation_can_be_forced_and_forbidden(sim):
    first = sim.exchange(sim.login(rotate=False)).json()["session_key"]
    sim.control("clock", advance=1000)
    assert sim.exchange(sim.login(rotate=False)).json()["session_key"] == first
    assert sim.exchange(sim.login(rotate=True)).json()["session_key"] != first


def test_keys_of_two_apps_are_independent(sim):
    codes = {appid: sim.login(appid=appid) for appid in (sim.appid, sim.sister)}
    sim.login(rotate=True)
    keys = {appid: sim.exchange(code, appid=appid).json()["session_key"] for appid, code in codes.items()}
    assert len(set(keys.values())) == 2


def test_a_blocked_user_is_refused_and_the_code_stays_unburnt(sim):
    code = sim.login("mallory")
    sim.put_user("mallory", blocked=True)
    assert [sim.refusal(code), sim.refusal(code)] == [40226, 40226]
    sim.put_user("mallory", blocked=False)
    assert "openid" in sim.exchange(code).json()


def test_the_quota_is_off_until_set_and_counts_per_user(sim):
    sim.control("settings", quota_per_minute=2)
    assert [sim.refusal(sim.login()) for _ in range(3)] == [None, None, 45011]
    assert sim.refusal(sim.login("bob")) is None
    sim.control("clock", advance=60)
    assert sim.refusal(sim.login()) is None


def test_a_code_can_be_pinned_once(sim):
    assert sim.login(code="code-of-alice") == "code-of-alice"
    assert "openid" in sim.exchange("code-of-alice").json()
    again = sim.post("/phone/login", appid=sim.appid, user="bob", code="code-of-alice")
    assert again.status_code == 409


def test_slashes_are_escaped_unless_switched_off(sim):
    sim.put_user("alice", appid=sim.appid, session_key="ab//cd//ef//gh//ij//kg==")
    escaped = sim.exchange(sim.login())
    assert '"session_key":"ab\\/\\/cd' in escaped.text
    assert escaped.json()["session_key"] == "ab//cd//ef//gh//ij//kg=="
    sim.control("settings", escape_slashes=False)
    assert '"session_key":"ab//cd' in sim.exchange(sim.login()).text


def test_the_content_type_can_be_switched(sim):
    sim.control("settings", content_types={"/sns/": "application/json; encoding=utf-8"})
    assert sim.exchange("any").headers["Content-Type"] == "application/json; encoding=utf-8"


def test_a_reset_brings_back_the_beginning(sim):
    code = sim.login()
    sim.fault("errcode", errcode=-1, times=None)
    sim.control("settings", latency=3)
    sim.control("clock", offset=77)
    sim.control("reset")
    assert sim.refusal(code) == 40029
    health = sim.http.get(f"{sim.base}/control/health", timeout=5).json()
    assert (health["status"], health["users"], len(health["apps"])) == ("ok", 0, 4)


def test_connections_are_kept_alive(sim):
    for _ in range(3):
        sim.http.get(f"{sim.base}/sns/jscode2session", params=sim.query("x"), timeout=5)
    assert len({call["client"] for call in sim.journal()}) == 1
