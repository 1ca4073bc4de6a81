"""access_tokens, and what they open: the phone number, the check and the reset of a session_key."""

import hashlib
import hmac
import json
import re
import time

import pytest

RID = r"[0-9a-f]{8}-[0-9a-f]{8}-[0-9a-f]{8}"
BODY = {"grant_type": "client_credential"}


def stable(sim, *, appid=None, **more):
    body = {**BODY, "appid": appid or sim.appid, "secret": sim.secret, **more}
    body = {name: value for name, value in body.items() if value is not None}
    return sim.post("/cgi-bin/stable_token", **body).json()


def plain(sim, **changes):
    query = {**BODY, "appid": sim.appid, "secret": sim.secret, **changes}
    return sim.http.get(f"{sim.base}/cgi-bin/token", params=query, timeout=5).json()


def number(sim, token, code, appid=None, **more):
    reply = sim.http.post(
        f"{sim.base}/wxa/business/getuserphonenumber",
        params={"access_token": token},
        json={"code": code, **more},
        timeout=5,
    )
    return reply.json()


def verdict(sim, token):
    """What a token-bearing endpoint says about a token: 40029 means that the token was good."""
    return number(sim, token, "0" * 64)["errcode"]


GOOD = 40029


def test_a_token_looks_like_wechats_and_comes_without_errcode(sim):
    for answer in (stable(sim), plain(sim)):
        assert list(answer) == ["access_token", "expires_in"]
        assert re.fullmatch(r"\d+_[A-Za-z0-9_-]{133}", answer["access_token"])
        assert answer["expires_in"] == 7200


def test_the_stable_token_stays_and_its_life_runs_down(sim):
    first = stable(sim)
    sim.control("clock", advance=3600)
    second = stable(sim)
    assert second["access_token"] == first["access_token"]
    assert 3598 <= second["expires_in"] <= 3600


def test_in_its_last_five_minutes_old_and_new_both_work_until_the_old_one_expires(sim):
    old = stable(sim)["access_token"]
    sim.control("clock", advance=6899)
    assert stable(sim)["access_token"] == old
    sim.control("clock", advance=2)
    fresh = stable(sim)
    assert fresh["access_token"] != old and fresh["expires_in"] == 7200
    assert (verdict(sim, old), verdict(sim, fresh["access_token"])) == (GOOD, GOOD)
    sim.control("clock", advance=300)
    assert (verdict(sim, old), verdict(sim, fresh["access_token"])) == (42001, GOOD)


def test_force_kills_at_once_but_not_twice_within_thirty_seconds(sim):
    old = stable(sim)["access_token"]
    forced = stable(sim, force_refresh=True)["access_token"]
    assert (verdict(sim, old), verdict(sim, forced)) == (40001, GOOD)
    sim.control("clock", advance=29)
    assert stable(sim, force_refresh=True)["access_token"] == forced
    sim.control("clock", advance=2)
    assert stable(sim, force_refresh=True)["access_token"] != forced


def test_the_twenty_first_forced_refresh_of_a_day_is_refused(sim):
    for _ in range(20):
        assert "access_token" in stable(sim, force_refresh=True)
        sim.control("clock", advance=31)
    assert stable(sim, force_refresh=True)["errcode"] == 45009
    assert "access_token" in stable(sim)
    sim.control("clock", advance=86400)
    assert "access_token" in stable(sim, force_refresh=True)


def test_the_plain_token_keeps_only_the_one_before_it_for_five_minutes(sim):
    one, two = (plain(sim)["access_token"] for _ in range(2))
    assert (verdict(sim, one), verdict(sim, two)) == (GOOD, GOOD)
    three = plain(sim)["access_token"]
    assert [verdict(sim, token) for token in (one, two, three)] == [40001, GOOD, GOOD]
    sim.control("clock", advance=301)
    assert [verdict(sim, token) for token in (two, three)] == [40001, GOOD]
    sim.control("clock", advance=7200)
    assert verdict(sim, three) == 42001


def test_the_two_kinds_do_not_touch_each_other(sim):
    kept = stable(sim)["access_token"]
    other = [plain(sim)["access_token"] for _ in range(3)][-1]
    stable(sim, force_refresh=True)
    assert (verdict(sim, kept), verdict(sim, other)) == (40001, GOOD)


def test_the_plain_token_has_a_daily_quota(sim):
    sim.control("settings", token_quota_per_day=2)
    assert [plain(sim).get("errcode") for _ in range(3)] == [None, None, 45009]
    sim.control("clock", advance=86401)
    assert "access_token" in plain(sim)


@pytest.mark.parametrize(
    ("changes", "errcode"),
    [
        ({"appid": "", "secret": ""}, 41002),
        ({"secret": ""}, 41004),
        ({"appid": "wx51a051a0ffffffff", "grant_type": "wrong"}, 40013),
        ({"secret": "wrong", "grant_type": "wrong"}, 40125),
        ({"grant_type": "wrong"}, 40002),
    ],
)
def test_refusals_of_both_token_endpoints(sim, changes, errcode):
    body = {**BODY, "appid": sim.appid, "secret": sim.secret, **changes}
    for answer in (sim.post("/cgi-bin/stable_token", **body).json(), plain(sim, **changes)):
        assert answer["errcode"] == errcode
        assert re.fullmatch(rf"[^,]+ rid: {RID}", answer["errmsg"])


def test_verbs_and_bodies(sim):
    url = f"{sim.base}/cgi-bin/stable_token"
    assert sim.http.get(url, timeout=5).json()["errcode"] == 43002
    assert sim.http.post(url, timeout=5).json()["errcode"] == 44002
    assert sim.http.post(url, data="a=b", timeout=5).json()["errcode"] == 47001
    assert sim.http.post(url, json=[1], timeout=5).json()["errcode"] == 47001


def test_a_chunked_post_is_refused_with_412(sim):
    chunked = sim.http.post(f"{sim.base}/cgi-bin/stable_token", data=iter([b"{}"]), timeout=5)
    assert (chunked.status_code, chunked.content) == (412, b"")


def test_the_ip_allow_list_holds_for_calls_with_the_secret_only(sim):
    token = stable(sim)["access_token"]
    sim.control("settings", ip_allow_list=["192.0.2.1"])
    refused = stable(sim)
    assert refused["errcode"] == 40164
    assert refused["errmsg"].startswith("invalid ip 127.0.0.1 ipv6 ::ffff:127.0.0.1, not in whitelist rid: ")
    assert (verdict(sim, token), sim.exchange(sim.login()).json().get("errcode")) == (GOOD, None)
    sim.control("settings", ip_allow_list=["127.0.0.1"])
    assert "access_token" in stable(sim)


def test_verdicts_on_bad_tokens(sim):
    unknown = "70_" + "a" * 133
    other = stable(sim, appid=sim.sister)["access_token"]
    verdicts = {name: verdict(sim, text) for name, text in (("none", ""), ("odd", "x"), ("unknown", unknown))}
    assert verdicts == {"none": 41001, "odd": 40014, "unknown": 40001}
    code = sim.phone("phonenumber")["code"]
    assert number(sim, other, code)["errcode"] == 40013


def test_a_test_kills_expires_and_counts(sim):
    token = stable(sim)["access_token"]
    stable(sim)
    shown = sim.http.get(f"{sim.base}/control/tokens", timeout=5).json()["tokens"]
    mine = next(entry for entry in shown if (entry["appid"], entry["kind"]) == (sim.appid, "stable_token"))
    assert (mine["fetches"], mine["minted"], mine["access_token"]) == (2, 1, token)
    sim.control("tokens/kill", appid=sim.appid)
    assert verdict(sim, token) == 40001
    fresh = stable(sim)["access_token"]
    sim.control("tokens/expire", appid=sim.appid)
    assert (fresh != token, verdict(sim, fresh)) == (True, 42001)
    sim.control("settings", token_seconds=1)
    brief = plain(sim)["access_token"]
    assert sim.eventually(lambda: verdict(sim, brief) == 42001)


def test_a_phone_code_gives_the_number_once(sim):
    token = stable(sim)["access_token"]
    user = sim.put_user("alice")
    answer = number(sim, token, sim.phone("phonenumber")["code"])
    info = answer["phone_info"]
    assert (answer["errcode"], answer["errmsg"]) == (0, "ok")
    assert (info["phoneNumber"], info["purePhoneNumber"], info["countryCode"]) == (user["phone"], user["phone"], "86")
    assert info["watermark"]["appid"] == sim.appid
    assert abs(info["watermark"]["timestamp"] - time.time()) < 5
    assert re.fullmatch(r"1[3-9][0-9]{9}", user["phone"])


def test_a_phone_code_that_is_used_expired_foreign_or_a_login_code_is_40029(sim):
    token = stable(sim)["access_token"]
    used = sim.phone("phonenumber")["code"]
    number(sim, token, used)
    old = sim.phone("phonenumber")["code"]
    sim.control("clock", advance=300)
    answers = [number(sim, token, code) for code in (used, old, sim.login(), "0" * 64)]
    assert {answer["errcode"] for answer in answers} == {40029}
    assert re.fullmatch(rf"invalid code hint: \[[A-Za-z0-9-]{{16}}\] rid: {RID}", answers[0]["errmsg"])


def test_the_openid_is_checked_when_given(sim):
    token = stable(sim)["access_token"]
    openid = sim.exchange(sim.login("alice")).json()["openid"]
    stranger = sim.exchange(sim.login("bob")).json()["openid"]
    code = sim.phone("phonenumber", "alice")["code"]
    assert number(sim, token, code, openid=stranger)["errcode"] == 40003
    assert number(sim, token, code, openid=openid)["errcode"] == 0


def test_foreign_numbers_and_a_country_code_as_number(sim):
    token = stable(sim)["access_token"]
    sim.control("settings", country_code_as_number=True)
    code = sim.phone("phonenumber", phone="2025550123", country_code="1")["code"]
    info = number(sim, token, code)["phone_info"]
    assert (info["phoneNumber"], info["purePhoneNumber"], info["countryCode"]) == ("12025550123", "2025550123", 1)


def test_the_tap_decides_the_watermark(sim):
    token = stable(sim)["access_token"]
    code = sim.phone("phonenumber", watermark={"appid": "wxother", "timestamp": 5})["code"]
    assert number(sim, token, code)["phone_info"]["watermark"] == {"appid": "wxother", "timestamp": 5}


@pytest.mark.parametrize("body", ["{}", '{"code": 5}', '{"code": ""}', '{"code": "a", "openid": 1}'])
def test_a_malformed_phone_request_is_40097(sim, body):
    url = f"{sim.base}/wxa/business/getuserphonenumber?access_token={stable(sim)['access_token']}"
    assert sim.http.post(url, data=body, timeout=5).json()["errcode"] == 40097


def signed(sim, path, token, openid, key, **changes):
    signature = hmac.new(key.encode(), b"", hashlib.sha256).hexdigest()
    query = {"access_token": token, "openid": openid, "signature": signature, "sig_method": "hmac_sha256", **changes}
    return sim.http.get(f"{sim.base}{path}", params=query, timeout=5).json()


def test_a_session_key_is_checked_and_replaced(sim):
    token = stable(sim)["access_token"]
    session = sim.exchange(sim.login()).json()
    openid, key = session["openid"], session["session_key"]
    assert signed(sim, "/wxa/checksession", token, openid, key) == {"errcode": 0, "errmsg": "ok"}
    answer = signed(sim, "/wxa/resetusersessionkey", token, openid, key)
    assert (answer["errcode"], answer["openid"]) == (0, openid)
    assert signed(sim, "/wxa/checksession", token, openid, key)["errcode"] == 87009
    assert signed(sim, "/wxa/checksession", token, openid, answer["session_key"])["errcode"] == 0
    assert signed(sim, "/wxa/checksession", token, openid, key, sig_method="md5")["errcode"] == 87008
    assert signed(sim, "/wxa/checksession", token, "nobody", key)["errcode"] == 40003
    assert signed(sim, "/wxa/checksession", "", openid, key)["errcode"] == 41001


def test_the_journal_hides_tokens_and_secrets(sim):
    token = stable(sim)["access_token"]
    number(sim, token, "0" * 64)
    written = json.dumps(sim.journal())
    assert token not in written and sim.secret not in written
