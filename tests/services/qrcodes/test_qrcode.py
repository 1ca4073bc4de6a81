"""Mini-program codes: one's own and a service's, in every look, and what a stranger gets of them."""

import io
import re
from collections import Counter
from collections.abc import Callable
from urllib.parse import quote, unquote, urlsplit

import pytest
import requests
from PIL import Image

from tests.conftest import APPID
from tests.harness import codes, signedin
from tests.harness.codes import ENDPOINT, INTERNAL, OWN, calls, fetched, ordered, scanned
from tests.harness.crowd import Crowd, post
from tests.harness.service import ISSUER, Service
from tests.harness.simulator import Simulator

ADDRESS = re.compile(re.escape(ISSUER) + r"/qrcodes/[0-9a-f]{32}\.(?:jpg|png)")


def generate(service: Service, token: str) -> requests.Response:
    return service.call("GET", "/generate_qrcode", token=token)


def made(answer: requests.Response) -> str:
    """The address that a front end of `bearer` is given."""
    assert answer.status_code == 200, answer.text
    body = answer.json()
    address = body["data"]["qr_code_url"]
    assert body == {"code": 200, "message": "二维码生成成功", "data": {"qr_code_url": address}}
    assert ADDRESS.fullmatch(address)
    return str(address)


@pytest.fixture(scope="module")
def credential(sqlite_service: Service) -> str:
    return codes.credential(sqlite_service)


# --- one's own ----------------------------------------------------------------------------------------------


def test_the_picture_carries_the_invite_code_and_is_asked_of_wechat_once(
    simulator: Simulator, service: Service
) -> None:
    token = signedin.bearer(service, simulator, "qr-once")
    address = made(generate(service, token))
    assert made(generate(service, token)) == address
    (call,) = calls(simulator)
    ((code,),) = service.rows(
        "SELECT code FROM invite_codes WHERE owner_id = "
        f"(SELECT user_id FROM identities WHERE openid = '{simulator.account('qr-once')['openid']}')"
    )
    scene = f"invite_code={code}"
    assert call["body"] == {
        "scene": scene,
        "page": "pages/login/login",
        "check_path": True,
        "env_version": "release",
        "width": 430,
        "auto_color": False,
        "line_color": {"r": 0, "g": 0, "b": 0},
        "is_hyaline": False,
    }
    picture = fetched(service, address)
    assert (picture.status_code, picture.headers["Content-Type"]) == (200, "image/jpeg")
    assert scanned(picture.content) == scene
    assert code not in address


def test_what_is_scanned_signs_a_friend_in_and_it_is_recorded_who_invited_whom(
    simulator: Simulator, each_service: Service
) -> None:
    host, friend = (f"qr-{who}-{each_service.schema is None}" for who in ("host", "friend"))
    picture = fetched(each_service, made(generate(each_service, signedin.bearer(each_service, simulator, host))))
    scene = quote(scanned(picture.content), safe="")  # as the page is given it
    stored = dict(
        pair.split("=") for pair in unquote(scene).split("&")
    )  # as tests/miniprogram/frontends/bearer.js reads it
    body = {"code": simulator.code(friend), **signedin.tapped(simulator, friend), **stored}
    assert each_service.call("POST", "/auth/mp_login", json=body).status_code == 200
    of = "SELECT user_id FROM identities WHERE openid = '{}'"
    ids = [each_service.rows(of.format(simulator.account(name)["openid"]))[0][0] for name in (host, friend)]
    assert each_service.rows(f"SELECT invited_by_id FROM users WHERE id = {ids[1]}") == [(ids[0],)]
    uses = (
        "SELECT c.uses, c.owner_id FROM invite_codes c JOIN invite_uses u ON u.invite_code_id = c.id"
        f" WHERE u.user_id = {ids[1]}"
    )
    assert each_service.rows(uses) == [(1, ids[0])]


@pytest.mark.parametrize("contract", ["native", "code_message_data", "code_msg_data", "success_data"])
def test_a_token_of_any_contract_gives_the_same_picture(simulator: Simulator, service: Service, contract: str) -> None:
    user = f"qr-any-{contract}"
    address = made(generate(service, signedin.bearer(service, simulator, user)))
    if contract == "native":
        token = signedin.native(service, simulator, user).access
    else:
        token = getattr(signedin, contract)(service, simulator, user)
    assert made(generate(service, token)) == address
    native = service.call("GET", OWN, token=token).json()["data"]
    assert native["url"] == address
    assert native["scene"].startswith("invite_code=") and native["page"] == "pages/login/login"


def test_a_look_of_ones_own_is_a_picture_of_its_own(simulator: Simulator, service: Service) -> None:
    token = signedin.bearer(service, simulator, "qr-look")
    plain = made(generate(service, token))
    assert service.call("POST", OWN, token=token, json={}).json()["data"]["url"] == plain
    look = {"width": 600, "line_color": "c81e3c", "is_hyaline": True}
    answer = service.call("POST", OWN, token=token, json=look)
    address = answer.json()["data"]["url"]
    assert address.endswith(".png") and address != plain
    picture = fetched(service, address)
    image = Image.open(io.BytesIO(picture.content))
    assert (picture.headers["Content-Type"], image.format, image.size) == ("image/png", "PNG", (600, 600))
    assert scanned(picture.content) == scanned(fetched(service, plain).content)
    assert service.call("POST", OWN, token=token, json=look).json()["data"]["url"] == address
    assert len(calls(simulator)) == 2


WRONG_LOOKS = {
    "narrow": ({"width": 279}, "width"),
    "wide": ({"width": 1281}, "width"),
    "width in words": ({"width": "430"}, "width"),
    "color": ({"line_color": "#ff0000"}, "line_color"),
    "scene": ({"scene": "a"}, "scene"),
    "page": ({"page": "pages/a/a"}, "page"),
    "yes": ({"is_hyaline": "yes"}, "is_hyaline"),
}


@pytest.mark.parametrize("look, field", WRONG_LOOKS.values(), ids=WRONG_LOOKS.keys())
def test_a_look_that_wechat_would_refuse_or_that_is_not_the_callers_to_choose_is_refused(
    simulator: Simulator, service: Service, look: dict, field: str
) -> None:
    token = signedin.native(service, simulator, "qr-wrong-look").access
    answer = service.call("POST", OWN, token=token, json=look)
    assert (answer.status_code, list(answer.json()["fields"])) == (400, [field])
    assert calls(simulator) == []


def test_without_a_good_token_nothing_is_made(simulator: Simulator, service: Service) -> None:
    for token in (None, "x.y.z"):
        answer = generate(service, token)
        assert (answer.status_code, answer.json()) == (401, {"detail": "请先登录"})
        assert service.call("GET", OWN, token=token).status_code == 401
    answer = service.call("POST", "/generate_qrcode")
    assert (answer.status_code, answer.json()) == (405, {"detail": "不支持该请求方法"})
    assert calls(simulator) == []


@pytest.fixture(scope="module")
def limited(start_service: Callable[..., Service]) -> Service:
    """A service where little is kept, and not for long."""
    return start_service("qr-house", workers=1, settings={"QRCODE_PER_USER": "2", "ACCOUNT_COOLING_OFF_DAYS": "0"})


def test_a_user_has_so_many_pictures_and_no_more(simulator: Simulator, limited: Service) -> None:
    token = signedin.native(limited, simulator, "qr-limit").access
    answers = [limited.call("POST", OWN, token=token, json={"width": width}) for width in (300, 301, 302, 300)]
    assert [(answer.status_code, answer.json().get("error")) for answer in answers] == [
        (200, None),
        (200, None),
        (409, "picture_limit_reached"),
        (200, None),
    ]
    assert len(calls(simulator)) == 2


# --- serving ------------------------------------------------------------------------------------------------


def test_a_picture_is_served_so_that_every_cache_keeps_it_and_no_browser_runs_it(
    simulator: Simulator, service: Service
) -> None:
    address = made(generate(service, signedin.bearer(service, simulator, "qr-served")))
    answer = fetched(service, address)
    expected = {
        "Cache-Control": "public, max-age=31536000, immutable",
        "Content-Disposition": "inline",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Content-Type": "image/jpeg",
        "X-Content-Type-Options": "nosniff",
    }
    assert {name: answer.headers[name] for name in expected} == expected
    assert "Set-Cookie" not in answer.headers
    again = fetched(service, address, headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", answer.headers["ETag"])
    assert fetched(service, address, headers={"If-None-Match": '"other"'}).status_code == 200
    head = service.call("HEAD", urlsplit(address).path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["Content-Length"] == str(len(answer.content))


def test_a_file_that_was_lost_is_made_again_under_its_name(simulator: Simulator, service: Service) -> None:
    token = signedin.bearer(service, simulator, "qr-lost")
    address = made(generate(service, token))
    file = service.folder / "instance" / "qrcodes" / urlsplit(address).path.rpartition("/")[2]
    assert file.stat().st_mode & 0o777 == 0o600
    file.unlink()
    assert fetched(service, address).status_code == 404
    assert made(generate(service, token)) == address
    assert fetched(service, address).status_code == 200
    assert len(calls(simulator)) == 2


def test_pictures_go_with_their_user_and_when_there_are_too_many(simulator: Simulator, limited: Service) -> None:
    tokens = [signedin.native(limited, simulator, name).access for name in ("qr-goes", "qr-stays")]
    addresses = [limited.call("GET", OWN, token=token).json()["data"]["url"] for token in tokens]
    assert limited.call("POST", "/api/v1/me/close", token=tokens[0]).status_code == 200
    connection = limited.connect()
    connection.cursor().execute("UPDATE users SET closed_at = closed_at - 10 WHERE closed_at IS NOT NULL")
    connection.cursor().execute("UPDATE code_pictures SET asked_at = asked_at - 10")
    connection.close()
    stays = limited.call("POST", OWN, token=tokens[1], json={"width": 333}).json()["data"]["url"]
    limited.environment["QRCODE_TOTAL"] = "1"
    said = limited.flask("authsvc", "purge")
    assert "closed accounts: 1 erased" in said
    assert [fetched(limited, address).status_code for address in (*addresses, stays)] == [404, 404, 200]
    assert limited.rows("SELECT stem FROM code_pictures") == [(codes.file_of(limited, stays).stem,)]


# --- a service's own ----------------------------------------------------------------------------------------


def test_a_service_chooses_scene_page_and_look(simulator: Simulator, service: Service, credential: str) -> None:
    order = {
        "scene": "table=12&shop=3",
        "page": "pages/menu/menu",
        "check_path": False,
        "env_version": "trial",
        "width": 300,
        "auto_color": True,
        "appid": APPID,
    }
    answer = service.call("POST", INTERNAL, token=credential, json=order)
    assert answer.status_code == 200, answer.text
    data = answer.json()["data"]
    assert (data["scene"], data["page"]) == (order["scene"], order["page"])
    assert scanned(fetched(service, data["url"]).content) == order["scene"]
    (call,) = calls(simulator)
    assert {name: call["body"].get(name) for name in order if name != "appid"} == {
        name: value for name, value in order.items() if name != "appid"
    }
    again = service.call("POST", INTERNAL, token=credential, json={**order, "check_path": True})
    assert again.json()["data"] == data, "whether the page is published does not show in the picture"
    other = service.call("POST", INTERNAL, token=credential, json={**order, "env_version": "develop"})
    assert other.json()["data"]["url"] != data["url"]


def test_a_service_needs_the_scope(simulator: Simulator, service: Service, credential: str) -> None:
    made = service.flask("authsvc", "services", "add", "reader", "--scope", "introspect", shows_secret=True)
    reader = service.canaries.never("service credential", re.search(r"reader\.[A-Za-z0-9_-]{43}", made)[0])
    user = signedin.native(service, simulator, "qr-no-service").access
    for token, status in ((None, 401), (user, 401), (reader, 403)):
        assert service.call("POST", INTERNAL, token=token, json={"scene": "a"}).status_code == status
    assert service.call("GET", OWN, token=credential).status_code == 401
    assert calls(simulator) == []


def test_an_unknown_page_is_the_services_fault_and_the_operators_for_ones_own(
    simulator: Simulator, service: Service, credential: str
) -> None:
    order = {"scene": "a=1", "page": "pages/unpublished/page"}
    answer = service.call("POST", INTERNAL, token=credential, json=order)
    assert (answer.status_code, answer.json()["error"], answer.json()["action"]) == (
        400,
        "wx_page_unknown",
        "fix_request",
    )
    simulator.fault({"kind": "errcode", "errcode": 41030}, path=ENDPOINT)
    token = signedin.native(service, simulator, "qr-page").access
    answer = service.call("GET", OWN, token=token)
    assert (answer.status_code, answer.json()["error"]) == (503, "wx_misconfigured")


def test_one_service_cannot_use_up_what_others_need(
    simulator: Simulator, start_briefly: Callable[..., Service], crowd: Crowd
) -> None:
    settings = {"QRCODE_TOTAL": "10", "QRCODE_PER_SERVICE": "3", "RATE_LIMIT_QRCODE": "off"}
    service = start_briefly("qr-shares", workers=2, settings=settings)
    greedy = codes.credential(service)
    headers = {"Authorization": f"Bearer {greedy}"}
    address = service.url + codes.INTERNAL
    answers = crowd.send([post(address, {"scene": f"greedy={number}"}, **headers) for number in range(12)])
    assert Counter(answer.status for answer in answers) == {200: 3, 409: 9}
    assert {answer.json()["error"] for answer in answers if answer.status == 409} == {"picture_limit_reached"}
    kept = [number for number, answer in enumerate(answers) if answer.status == 200]
    assert {ordered(service, greedy, f"greedy={number}").status_code for number in kept} == {200}
    assert ordered(service, codes.credential(service, "menu"), "menu=1").status_code == 200
    own = signedin.native(service, simulator, "qr-shares").access
    assert service.call("GET", codes.OWN, token=own).status_code == 200
    assert service.count("code_pictures") == 5
