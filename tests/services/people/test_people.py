"""What signed-in people see and change of themselves: profile, picture, identities, and leaving."""

import http.client
import io
import json
import time
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jwt
import pytest
import requests
from PIL import Image

from tests.conftest import APPID
from tests.harness import pictures
from tests.harness.pictures import MARK
from tests.harness.service import ISSUER, Service
from tests.harness.signedin import Person, native
from tests.harness.simulator import Simulator

OTHER_APP = "wx51a051a000000002"
DAY = 86400
MEGABYTES_2 = 2 * 1024 * 1024
GREY = (
    "https://thirdwx.qlogo.cn/mmopen/vi_32/"
    "POgEwh4mIHO4nibH0KlMECNjjGxQUq24ZEaGT4poC6icRiccVGKSyXwibcPq4BWmiaIGuG1icwxaQX6grC9VemZoJ8rg/132"
)


@pytest.fixture(scope="module", params=["sqlite", "mysql"])
def service(
    request: pytest.FixtureRequest,
    run_folder: Path,
    start_service: Callable[..., Service],
    shared_simulator: Simulator,
    app_secret: str,
) -> Service:
    """A service for two mini programs."""
    shared_simulator.call("POST", "/control/apps", {"appid": OTHER_APP, "secret": app_secret})
    apps = run_folder / f"apps-{request.param}.toml"
    apps.write_text(f'[[app]]\nappid = "{OTHER_APP}"\nsecret = "{app_secret}"\n')
    settings = {"WX_APPS_FILE": str(apps), "RATE_LIMIT_AVATAR": "off"}
    return start_service(f"people-{request.param}", database=request.param, settings=settings)


def me(person: Person) -> dict[str, Any]:
    found: dict[str, Any] = person.does("GET", "/api/v1/me")
    return found


def upload(person: Person, content: bytes, name: str = "avatar.png", part: str = "file") -> requests.Response:
    return person.call("POST", "/api/v1/me/avatar", files={part: (name, content, "image/png")})


def second(person: Person) -> str:
    """Another WeChat of theirs."""
    return f"{person.name}-second"


def add_second(person: Person) -> requests.Response:
    """Add their second WeChat."""
    body = {"code": person.simulator.code(second(person)), "appid": APPID}
    return person.call("POST", "/api/v1/me/identities", json=body)


def links_of(person: Person) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = person.does("GET", "/api/v1/me/identities")
    return found


@pytest.fixture
def lan(simulator: Simulator, service: Service) -> Person:
    return native(service, simulator, "people-lan")


def claims_of(token: str) -> dict[str, Any]:
    found: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return found


def refusal(answer: requests.Response) -> tuple[int, str]:
    assert set(answer.json()) - {"fields", "wechat_errcode"} == {"code", "msg", "data", "error", "action", "request_id"}
    return answer.status_code, answer.json()["error"]


# --- profile ------------------------------------------------------------------------------------------------


def test_a_profile_is_seen_and_changed_field_by_field(simulator: Simulator, service: Service) -> None:
    mei = native(service, simulator, "people-mei")
    started = {**mei.tokens["user"], "nickname": None, "avatar_url": None, "gender": None, "phone": None}
    assert me(mei) == started
    for change in (
        {"nickname": "小梅🌙"},
        {"avatar_url": "https://example.com/mei.png"},
        {"gender": 2},
        {},
        {"nickname": "梅", "gender": 1},
    ):
        started |= change
        answer = mei.call("PUT", "/api/v1/me", json=change)
        assert (answer.status_code, answer.json()["data"]) == (200, started)
    assert me(mei) == started


GOOD: list[dict[str, Any]] = [
    {"nickname": "n" * 64},
    {"nickname": "𠮷" * 64},
    *(
        {"nickname": name}
        for name in (
            "🩷",
            "小美🩷",
            "　小美　",
            "\U00031350\U0002ebf0",
            "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
        )
    ),
    {"avatar_url": f"https://example.com/{'x' * 492}"},
    {"gender": 1},
]
BAD: list[dict[str, Any]] = [
    *({"nickname": value} for value in ("", " ", "\u200b", "n" * 65, "微信用户", " 微信用户 ", 5, None, ["x"], "a\0b")),
    *(
        {"avatar_url": value}
        for value in ("", "http://example.com/x.png", "//example.com/x", "https://", 5, None, GREY)
    ),
    *({"avatar_url": value} for value in ("javascript:alert(1)", "wxfile://tmp_1.jpg", f"https://a.cn/{'x' * 500}")),
    {"avatar_url": f"{ISSUER}/avatars/{'0' * 32}.jpg"},
    *({"gender": value} for value in (0, 3, "1", True, None, 1.0)),
    *({name: "x"} for name in ("id", "phone", "openid", "status", "created_at")),
]


@pytest.mark.parametrize("change", GOOD, ids=lambda change: str(change)[:40])
def test_what_fits_is_stored(lan: Person, change: dict[str, Any]) -> None:
    answer = lan.call("PUT", "/api/v1/me", json=change)
    assert answer.status_code == 200, answer.text
    assert answer.json()["data"] | change == answer.json()["data"]


def test_what_does_not_fit_is_named_and_changes_nothing(lan: Person) -> None:
    before = me(lan)
    for change in BAD:
        answer = lan.call("PUT", "/api/v1/me", json=change)
        assert refusal(answer) == (400, "invalid_request"), change
        assert list(answer.json()["fields"]) == list(change)
    assert me(lan) == before


def test_nobody_sees_or_changes_anything_without_signing_in(service: Service) -> None:
    for method, path in (
        *(("GET", "/api/v1/me"), ("PUT", "/api/v1/me"), ("POST", "/api/v1/me/avatar"), ("POST", "/api/v1/me/close")),
        *(("GET", "/api/v1/me/identities"), ("POST", "/api/v1/me/identities"), ("DELETE", "/api/v1/me/identities/1")),
    ):
        assert refusal(service.call(method, path, json={})) == (401, "unauthenticated")


# --- pictures -----------------------------------------------------------------------------------------------


def folder(service: Service) -> Path:
    return service.folder / "instance" / "avatars"


def stored(service: Service) -> set[str]:
    """The picture files of a service, drafts included."""
    return set(map(str, folder(service).glob("*"))) | set(map(str, folder(service).glob(".*")))


def path_of(address: str) -> str:
    assert address.startswith(f"{ISSUER}/avatars/")
    return urlsplit(address).path


def kept(person: Person, answer: requests.Response) -> bytes:
    """What the service made of an upload."""
    assert answer.status_code == 200, answer.text
    address = answer.json()["data"]["avatar_url"]
    assert me(person)["avatar_url"] == address
    return person.service.call("GET", path_of(address)).content


PICTURES: dict[str, bytes] = {
    "PNG": pictures.encoded(pictures.picture(), "PNG"),
    "PNG with a palette": pictures.encoded(pictures.picture().convert("P"), "PNG"),
    "PNG with transparency": pictures.encoded(pictures.picture().convert("RGBA"), "PNG"),
    "PNG in grey": pictures.encoded(pictures.picture().convert("L"), "PNG"),
    "JPEG": pictures.encoded(pictures.picture(), "JPEG"),
    "JPEG, progressive": pictures.encoded(pictures.picture(), "JPEG", progressive=True),
    "JPEG in CMYK": pictures.encoded(pictures.picture().convert("CMYK"), "JPEG"),
    "WebP": pictures.encoded(pictures.picture(), "WEBP"),
    "large": pictures.encoded(pictures.picture((3000, 2000)), "JPEG"),
    "100 MB of text in PNG": pictures.png(
        pictures.chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(100_000_000), 9))
    ),
    "one pixel": pictures.encoded(pictures.picture((1, 1)), "PNG"),
}


@pytest.mark.parametrize("content", PICTURES.values(), ids=PICTURES.keys())
def test_a_picture_of_any_accepted_kind_becomes_a_jpeg(lan: Person, content: bytes) -> None:
    with Image.open(io.BytesIO(kept(lan, upload(lan, content, "picture.bin")))) as made:
        assert (made.format, made.mode) == ("JPEG", "RGB")
        assert max(made.size) <= 512
        with Image.open(io.BytesIO(content), formats=("JPEG", "PNG", "WEBP")) as given:
            assert abs(made.width / made.height - given.width / given.height) < 0.01


def test_nothing_but_the_picture_is_kept_of_a_photograph(lan: Person) -> None:
    content = pictures.with_gps()
    assert MARK in content and b"Exif" in content
    made = kept(lan, upload(lan, content))
    assert MARK not in made and b"Exif" not in made
    with Image.open(io.BytesIO(made)) as image:
        assert (image.size, dict(image.getexif()), image.info.get("comment")) == ((40, 60), {}, None)


SCRIPT = b"<script>alert('" + MARK + b"')</script>"
POLYGLOTS: dict[str, bytes] = {
    "behind a PNG": pictures.png() + SCRIPT,
    "in a PNG's text": pictures.png(pictures.chunk(b"tEXt", b"Comment\0" + SCRIPT)),
    "in a PNG's own chunk": pictures.png(pictures.chunk(b"prVt", SCRIPT)),
    "in a JPEG's comment": pictures.encoded(pictures.picture(), "JPEG", comment=SCRIPT),
    "behind a JPEG": pictures.encoded(pictures.picture(), "JPEG") + b"<?php " + SCRIPT,
    "behind a WebP": pictures.encoded(pictures.picture(), "WEBP") + SCRIPT,
}


@pytest.mark.parametrize("content", POLYGLOTS.values(), ids=POLYGLOTS.keys())
def test_a_script_hidden_in_a_picture_is_gone(lan: Person, content: bytes) -> None:
    made = kept(lan, upload(lan, content, "x.html"))
    assert MARK not in made and b"<script" not in made
    assert made.startswith(b"\xff\xd8\xff")


WHOLE = PICTURES["PNG"]
REFUSED: dict[str, bytes] = {
    "nothing": b"",
    "text": b"hello",
    "SVG": b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
    "HTML": b"<!doctype html><script>alert(1)</script>",
    "GIF": pictures.encoded(pictures.picture(), "GIF"),
    "BMP": pictures.encoded(pictures.picture(), "BMP"),
    "TIFF": pictures.encoded(pictures.picture(), "TIFF"),
    "PDF": pictures.encoded(pictures.picture(), "PDF"),
    "ICO": pictures.encoded(pictures.picture(), "ICO"),
    "EPS": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
    "a ZIP": b"PK\x03\x04" + bytes(64),
    "a script that begins as a GIF": b"GIF89a=1;" + SCRIPT,
    "a script that begins as a PNG": pictures.PNG_SIGNATURE + SCRIPT,
    "a script that begins as a JPEG": b"\xff\xd8\xff\xe0" + SCRIPT,
    **{f"a PNG cut after {share} %": WHOLE[: len(WHOLE) * share // 100] for share in (5, 20, 50, 70)},
    "a PNG without its pixels": WHOLE[: WHOLE.index(b"IDAT") - 4] + WHOLE[WHOLE.index(b"IEND") - 4 :],
    **{
        f"a JPEG cut after {share} %": PICTURES["JPEG"][: len(PICTURES["JPEG"]) * share // 100] for share in (2, 60, 99)
    },
    **{f"a WebP cut after {share} %": PICTURES["WebP"][: len(PICTURES["WebP"]) * share // 100] for share in (10, 95)},
    "a PNG with a wrong checksum": WHOLE.replace(b"IHDR", b"IHDR", 1)[:-20] + b"\0" * 20,
    "30,000 × 30,000 in PNG": pictures.png_that_claims(30_000, 30_000),
    "2,147,483,647 × 1 in PNG": pictures.png_that_claims(2**31 - 1, 1),
    "0 × 0 in PNG": pictures.png_that_claims(0, 0),
    "65,000 × 65,000 in JPEG": pictures.jpeg_that_claims(65_000, 65_000),
    "5,001 × 5,000 in PNG": pictures.png_that_claims(5_001, 5_000),
}


@pytest.mark.parametrize("content", REFUSED.values(), ids=REFUSED.keys())
def test_what_is_no_whole_picture_of_an_accepted_kind_is_refused(lan: Person, content: bytes) -> None:
    before, files = me(lan), stored(lan.service)
    answer = upload(lan, content)
    assert refusal(answer) == (400, "picture_rejected"), answer.text
    assert answer.json()["msg"] == "图片格式或大小不符合要求"
    assert (me(lan), stored(lan.service)) == (before, files)


def test_two_megabytes_are_the_limit_to_the_byte(lan: Person) -> None:
    assert len(pictures.png_of_size(MEGABYTES_2)) == MEGABYTES_2
    assert kept(lan, upload(lan, pictures.png_of_size(MEGABYTES_2)))
    for more in (1, 4096, 8192, 100_000):
        assert refusal(upload(lan, pictures.png_of_size(MEGABYTES_2 + more))) == (413, "body_too_large")


def test_an_upload_without_its_part_is_refused_and_told_what_it_lacks(lan: Person) -> None:
    path = "/api/v1/me/avatar"
    before = stored(lan.service)
    assert refusal(upload(lan, WHOLE, part="avatar")) == (400, "upload_malformed")
    assert refusal(lan.call("POST", path, json={"file": "x"})) == (400, "upload_malformed")
    assert refusal(lan.call("POST", path, data=WHOLE)) == (400, "upload_malformed")
    assert refusal(lan.call("POST", path, data=WHOLE, headers={"Content-Type": "image/png"})) == (
        400,
        "upload_malformed",
    )
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n'
    for boundary, error in {
        "": "boundary_missing",
        "; boundary=": "boundary_missing",
        '; boundary=""': "boundary_missing",
        "; charset=utf-8": "boundary_missing",
        "; boundary=another": "upload_malformed",
        "; boundary=" + "x" * 300: "upload_malformed",
        "; boundary=\xe9": "boundary_missing",
    }.items():
        headers = {"Content-Type": f"multipart/form-data{boundary}".encode("latin-1")}
        answer = lan.call("POST", path, data=head + WHOLE + b"\r\n--x--\r\n", headers=headers)
        assert refusal(answer) == (400, error), (boundary, answer.text)
    for cut in (head, head[:-2], b"", head + WHOLE[:50]):
        headers = {"Content-Type": "multipart/form-data; boundary=x"}
        assert lan.call("POST", path, data=cut, headers=headers).status_code == 400, cut
    assert stored(lan.service) == before


def test_a_picture_is_served_so_that_no_browser_runs_it_and_every_cache_keeps_it(lan: Person) -> None:
    address = upload(lan, WHOLE, "../../evil.html").json()["data"]["avatar_url"]
    answer = lan.service.call("GET", path_of(address))
    expected = {
        "Content-Type": "image/jpeg",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Cache-Control": "public, max-age=31536000, immutable",
        "Content-Disposition": "inline",
    }
    assert {name: answer.headers[name] for name in expected} == expected
    assert "Set-Cookie" not in answer.headers


def raw_get(service: Service, target: str) -> tuple[int, bytes]:
    """Ask for exactly this target: ``requests`` would tidy it up."""
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=10)
    connection.putrequest("GET", target, skip_accept_encoding=True)
    connection.endheaders()
    response = connection.getresponse()
    content = response.read()
    connection.close()
    return response.status, content


def test_no_path_leads_out_of_the_folder(lan: Person) -> None:
    name = path_of(upload(lan, WHOLE).json()["data"]["avatar_url"]).removeprefix("/avatars/")
    secret = folder(lan.service) / f"{'a' * 32}.jpg"
    secret.symlink_to(lan.service.folder / "instance" / "keys" / "signing.json")
    targets = [
        *("", ".", "..", "../keys/signing.json", "../../instance/keys/signing.json", "/etc/passwd", "%2fetc%2fpasswd"),
        *("..%2fkeys%2fsigning.json", "%2e%2e/keys/signing.json", "%2e%2e%2fkeys%2fsigning.json", "..%5ckeys"),
        *("..%252fkeys%252fsigning.json", "..%c0%afkeys", "%00", f"{name}%00", f"{name}%0a", f"{name}.", f"{name}/"),
        *(f"./../avatars/{name}", f"%2e/{name}", name.upper(), f"{name[:-3]}png", f"{name[:-3]}svg", name[:-4]),
        *(f"{'0' * 32}.jpg", f"{'０' * 32}.jpg".encode().hex(), secret.name, ".draft-x"),
    ]
    for target in targets:
        status, content = raw_get(lan.service, f"/avatars/{target}")
        assert status == 404, target
        assert set(json.loads(content)) == {"code", "msg", "data", "error", "action", "request_id"}
    assert raw_get(lan.service, f"/avatars/{name}")[0] == 200
    secret.unlink()


def test_the_picture_before_goes_when_it_is_replaced(simulator: Simulator, service: Service) -> None:
    tao = native(service, simulator, "people-tao")
    others = stored(service)
    addresses = [upload(tao, WHOLE).json()["data"]["avatar_url"] for _ in range(3)]
    assert len(set(addresses)) == 3
    assert [service.call("GET", path_of(address)).status_code for address in addresses] == [404, 404, 200]
    tao.call("PUT", "/api/v1/me", json={"nickname": "Tao", "avatar_url": addresses[-1]})
    assert service.call("GET", path_of(addresses[-1])).status_code == 200
    tao.call("PUT", "/api/v1/me", json={"avatar_url": "https://example.com/tao.png"})
    assert service.call("GET", path_of(addresses[-1])).status_code == 404
    assert stored(service) == others


def test_of_uploads_at_once_one_picture_is_left(simulator: Simulator, service: Service) -> None:
    bo = native(service, simulator, "people-bo")
    others = stored(service)

    def upload(_: int) -> requests.Response:
        headers = bo.bearer
        return requests.post(f"{service.url}/api/v1/me/avatar", files={"file": WHOLE}, headers=headers, timeout=30)

    with ThreadPoolExecutor(8) as pool:
        assert {answer.status_code for answer in pool.map(upload, range(8))} == {200}
    (left,) = stored(service) - others
    assert me(bo)["avatar_url"].endswith(Path(left).name)
    assert service.call("GET", path_of(me(bo)["avatar_url"])).status_code == 200


def test_changes_at_once_do_not_undo_each_other(simulator: Simulator, service: Service) -> None:
    yue = native(service, simulator, "people-yue")

    def change(body: dict[str, Any]) -> int:
        headers = yue.bearer
        return requests.put(f"{service.url}/api/v1/me", json=body, headers=headers, timeout=30).status_code

    for turn in range(1, 6):
        wanted = {"nickname": f"Yue {turn}", "avatar_url": f"https://example.com/{turn}.png", "gender": 1 + turn % 2}
        with ThreadPoolExecutor(3) as pool:
            assert set(pool.map(change, [{name: value} for name, value in wanted.items()])) == {200}
        assert me(yue) | wanted == me(yue)


def test_somebody_elses_picture_is_neither_taken_nor_deleted(simulator: Simulator, service: Service) -> None:
    owner, thief = (native(service, simulator, name) for name in ("people-owner", "people-thief"))
    address = upload(owner, WHOLE).json()["data"]["avatar_url"]
    answer = thief.call("PUT", "/api/v1/me", json={"avatar_url": address})
    assert refusal(answer) == (400, "invalid_request")
    claimed = service.call("POST", "/api/v1/auth/wx-login", json={"code": thief.code(), "avatarUrl": address})
    assert (claimed.status_code, claimed.json()["data"]["user"]["avatar"]) == (200, None)
    upload(thief, WHOLE)
    thief.call("PUT", "/api/v1/me", json={"avatar_url": "https://example.com/thief.png"})
    assert service.call("GET", path_of(address)).status_code == 200


def test_a_login_that_brings_another_picture_replaces_the_uploaded_one(simulator: Simulator, service: Service) -> None:
    fei = native(service, simulator, "people-fei")
    address = upload(fei, WHOLE).json()["data"]["avatar_url"]
    for brought, shown, status in (
        (address, address, 200),
        (GREY, address, 200),
        ("https://example.com/fei.png", "https://example.com/fei.png", 404),
    ):
        body = {"code": fei.code(), "nickName": "Fei", "avatarUrl": brought}
        answer = service.call("POST", "/api/v1/auth/wx-login", json=body).json()
        assert answer["data"]["user"]["avatar"] == shown
        assert service.call("GET", path_of(address)).status_code == status


# --- identities ---------------------------------------------------------------------------------------------


def test_a_second_wechat_is_the_same_user(simulator: Simulator, service: Service) -> None:
    jing = native(service, simulator, "people-jing")
    assert [link["added"] for link in links_of(jing)] == [False]
    for _ in range(2):  # linking what is linked changes nothing
        answer = add_second(jing)
        assert (answer.status_code, [link["added"] for link in answer.json()["data"]]) == (200, [False, True])
        assert all(set(link) == {"id", "appid", "created_at", "added"} for link in answer.json()["data"])
    there = native(service, simulator, second(jing))
    assert (there.user_id, there.tokens["is_new_user"]) == (jing.user_id, False)
    assert "openid" not in answer.text


def test_an_identity_of_somebody_else_another_app_an_unknown_one_and_a_bad_code_are_refused(
    simulator: Simulator, service: Service
) -> None:
    stranger = native(service, simulator, "people-stranger")
    ning = native(service, simulator, "people-ning")

    def link(code: str, appid: str = APPID) -> tuple[int, str]:
        return refusal(ning.call("POST", "/api/v1/me/identities", json={"code": code, "appid": appid}))

    assert link(stranger.code()) == (409, "identity_taken")
    assert link(ning.code(appid=OTHER_APP), OTHER_APP) == (403, "other_mini_program")
    assert link(ning.code(), "wx51a051a00000000f") == (400, "unknown_app")
    assert link(ning.code(appid=OTHER_APP)) == (401, "wx_code_invalid")
    assert link("a b") == (400, "invalid_request")
    code = simulator.code(second(ning))
    assert ning.call("POST", "/api/v1/me/identities", json={"code": code, "appid": APPID}).status_code == 200
    assert link(code) == (401, "wx_code_used")
    assert service.count("identities", f"user_id = {stranger.user_id}") == 1


def test_an_unlinked_identity_is_signed_out_and_a_stranger(simulator: Simulator, service: Service) -> None:
    rong = native(service, simulator, "people-rong")
    add_second(rong)
    there = native(service, simulator, second(rong))
    gone = links_of(rong)[1]["id"]
    answer = rong.call("DELETE", f"/api/v1/me/identities/{gone}")
    assert (answer.status_code, [link["added"] for link in answer.json()["data"]]) == (200, [False])
    assert refusal(there.call("GET", "/api/v1/me")) == (401, "unauthenticated")
    assert me(rong)["id"] == rong.user_id
    assert refusal(rong.call("DELETE", f"/api/v1/me/identities/{gone}")) == (404, "no_such_item")
    again = native(service, simulator, second(rong))
    assert (again.tokens["is_new_user"], again.user_id == rong.user_id) == (True, False)


def test_the_last_identity_and_other_peoples_stay(simulator: Simulator, service: Service, lan: Person) -> None:
    shan = native(service, simulator, "people-shan")
    (own,), (lans, *_) = links_of(shan), links_of(lan)
    assert refusal(shan.call("DELETE", f"/api/v1/me/identities/{own['id']}")) == (409, "last_identity")
    assert refusal(shan.call("DELETE", f"/api/v1/me/identities/{lans['id']}")) == (404, "no_such_item")
    for odd in ("0", "99999999999999999999999", "x", "-1", "1.0"):
        assert shan.call("DELETE", f"/api/v1/me/identities/{odd}").status_code == 404
    assert links_of(shan) == [own]


def test_two_removals_at_once_leave_one_identity(simulator: Simulator, service: Service) -> None:
    for turn in range(8):
        person = native(service, simulator, f"people-pair-{turn}")
        add_second(person)
        # From either WeChat, as the session of a removed identity ends.
        there = native(service, simulator, second(person))
        callers = (there.access, person.access)
        asked = [
            (link["id"], {"Authorization": f"Bearer {token}", **service.step_up(token)})
            for token, link in zip(callers, links_of(person), strict=True)
        ]

        def remove(request: tuple[int, dict[str, str]]) -> int:
            link_id, headers = request
            url = f"{service.url}/api/v1/me/identities/{link_id}"
            return requests.delete(url, headers=headers, timeout=30).status_code

        with ThreadPoolExecutor(2) as pool:
            statuses = sorted(pool.map(remove, asked))
        assert statuses in ([200, 409], [200, 401])
        assert service.count("identities", f"user_id = {person.user_id}") == 1


def test_of_two_wechats_of_one_person_in_one_app_each_session_keeps_its_own(
    simulator: Simulator, service: Service
) -> None:
    """A token with the other WeChat's openid would let the wrong one pay, and open nothing that this one encrypts."""
    phone = simulator.call("GET", "/control/users/people-private")["phone"]
    names = ("people-private", "people-work")
    tokens = {}
    for name in names:
        simulator.code(name)
        tapped = simulator.call("POST", "/phone/phonenumber", {"appid": APPID, "user": name, "phone": phone})
        body = {"code": simulator.code(name), "encryptedData": tapped["encryptedData"], "iv": tapped["iv"]}
        assert service.call("POST", "/auth/mp_login", json=body).status_code == 200
        answer = service.call("POST", "/api/v1/auth/wx-login", json={"code": simulator.code(name)}).json()["data"]
        tokens[name] = answer["access_token"]
        assert answer["user"]["openid"] == simulator.account(name)["openid"]
    assert len({claims_of(token)["sub"] for token in tokens.values()}) == 1

    for name in names:
        openid = simulator.account(name)["openid"]
        assert service.call("GET", "/api/v1/user/profile", token=tokens[name]).json()["data"]["openid"] == openid
        renewed = service.call("POST", "/api/v1/auth/refresh", token=tokens[name]).json()["data"]["access_token"]
        assert claims_of(renewed)["openid"] == openid
        tokens[name] = renewed

    links = service.call("GET", "/api/v1/me/identities", token=tokens["people-private"]).json()["data"]
    assert [link["appid"] for link in links] == [APPID, APPID]
    gone = service.call("DELETE", f"/api/v1/me/identities/{links[1]['id']}", token=tokens["people-private"])
    assert gone.status_code == 200
    statuses = [service.call("GET", "/api/v1/me", token=tokens[name]).status_code for name in names]
    assert statuses == [200, 401]


KEY = {"Idempotency-Key": "the-same-login"}


def test_a_login_asked_for_again_is_not_answered_once_its_session_is_over(
    simulator: Simulator, service: Service
) -> None:
    def log_in(code: str) -> requests.Response:
        return service.login(code, headers=KEY)

    code = simulator.code("people-again")
    first, again = (log_in(code).json()["data"] for _ in range(2))
    assert first["refresh_token"] == again["refresh_token"]
    assert service.call("POST", "/api/v1/sessions/logout", token=first["access_token"]).status_code == 200
    assert refusal(log_in(code)) == (401, "wx_code_used")

    # Neither once its identity was removed, whoever may have come since.
    you = native(service, simulator, "people-again")
    add_second(you)
    code = simulator.code(second(you))
    assert service.login(code, headers=KEY).json()["data"]["user"]["id"] == you.user_id
    gone = links_of(you)[-1]["id"]
    assert you.call("DELETE", f"/api/v1/me/identities/{gone}").status_code == 200
    newcomer = native(service, simulator, "people-newcomer")
    assert links_of(newcomer)[0]["id"] != gone
    assert refusal(service.login(code, headers=KEY)) == (401, "wx_code_used")


def test_a_login_asked_for_again_in_another_contract_is_a_used_code(simulator: Simulator, service: Service) -> None:
    code = simulator.code("people-twice")
    assert service.login(code, headers=KEY).status_code == 200
    answer = service.call("POST", "/user/wxlogin", json={"platCode": code}, headers=KEY)
    assert (answer.status_code, answer.json()["msg"]) == (400, "登录凭证已使用，请重新登录")


def test_a_stranger_who_asks_again_with_the_same_key_need_not_wait(simulator: Simulator, service: Service) -> None:
    code = simulator.code("people-unregistered")
    first = service.call("GET", "/wx/login", params={"code": code}, headers=KEY)
    assert (first.status_code, list(first.json())) == (200, ["openid"])
    started = time.monotonic()
    again = service.call("GET", "/wx/login", params={"code": code}, headers=KEY)
    assert (again.status_code, again.json()) == (503, {"detail": "code been used"})
    assert time.monotonic() - started < 5


# --- leaving ------------------------------------------------------------------------------------------------


def by_phone(person: Person) -> dict[str, str]:
    """What a front end sends after a tap on the phone button."""
    code = person.code()
    tapped = person.simulator.call("POST", "/phone/phonenumber", {"appid": APPID, "user": person.name})
    return {"code": code, "encryptedData": tapped["encryptedData"], "iv": tapped["iv"]}


CLOSED = "账号已注销"


def every_way_in(person: Person) -> list[tuple[requests.Response, dict[str, Any]]]:
    """Each contract's login, and how it says that the account was closed."""
    call = person.service.call
    return [
        (call("POST", "/auth/mp_login", json=by_phone(person)), {"detail": CLOSED}),
        (call("GET", "/wx/login", params={"code": person.code()}), {"detail": CLOSED}),
        (
            call("POST", "/api/v1/auth/wx-login", json={"code": person.code()}),
            {"code": 403, "message": CLOSED, "error": "Forbidden"},
        ),
        (call("POST", "/user/wxlogin", json={"platCode": person.code()}), {"code": 403, "msg": CLOSED, "data": None}),
        (
            call("GET", "/login/wechatLogin", params=by_phone(person)),
            {"success": False, "data": None, "msg": CLOSED},
        ),
        (person.service.login(person.code()), {"code": 403, "msg": CLOSED, "error": "account_closed"}),
    ]


def close(person: Person) -> int:
    answer = person.call("POST", "/api/v1/me/close")
    assert answer.status_code == 200, answer.text
    return int(answer.json()["data"]["erased_after"])


def test_a_closed_account_is_refused_on_every_path_and_opened_again_on_request(
    simulator: Simulator, service: Service
) -> None:
    qin = native(service, simulator, "people-qin")
    add_second(qin)
    there = native(service, simulator, second(qin))
    service.call("POST", "/auth/mp_login", json=by_phone(qin))
    contract = service.call("POST", "/api/v1/auth/wx-login", json={"code": qin.code()}).json()["data"]["access_token"]

    assert abs(close(qin) - 15 * DAY - time.time()) < 30

    for answer, expected in every_way_in(qin):
        assert answer.status_code == 403
        assert answer.json() | expected == answer.json()
    assert refusal(service.login(there.code())) == (403, "account_closed")
    # Who was added does not bring the account back.
    assert refusal(service.login(there.code(), json={"reopen": True})) == (403, "account_closed")
    for person in (qin, there):
        assert refusal(person.call("GET", "/api/v1/me")) == (401, "unauthenticated")
        refresh = service.call("POST", "/api/v1/sessions/refresh", json={"refresh_token": person.refresh})
        assert refusal(refresh) == (401, "unauthenticated")
    for method, path in (("POST", "/api/v1/auth/refresh"), ("GET", "/member/refreshToken")):
        assert service.call(method, path, token=contract).status_code == 401

    # The number still speaks for its owner, so nobody slips in beside them by another WeChat.
    friend = native(service, simulator, "people-friend-of-qin")
    phone = simulator.call("GET", "/control/users/people-qin")["phone"]
    code = friend.code()
    tapped = simulator.call("POST", "/phone/phonenumber", {"appid": APPID, "user": friend.name, "phone": phone})
    body = {"code": code, "encryptedData": tapped["encryptedData"], "iv": tapped["iv"]}
    assert service.call("POST", "/auth/mp_login", json=body).status_code == 403
    link = {"code": there.code(), "appid": APPID}
    assert refusal(friend.call("POST", "/api/v1/me/identities", json=link)) == (409, "identity_taken")
    assert service.count("users", f"id = {qin.user_id} AND status = 'closed'") == 1

    reopened = native(service, simulator, "people-qin", json={"reopen": True})
    assert (reopened.user_id, reopened.tokens["is_new_user"]) == (qin.user_id, False)
    assert len(links_of(reopened)) == 2
    assert refusal(qin.call("GET", "/api/v1/me")) == (401, "unauthenticated")
    assert [answer.status_code for answer, _ in every_way_in(qin)] == [200] * 6


def test_nobody_opens_an_account_again_when_the_time_is_over(simulator: Simulator, service: Service) -> None:
    late = native(service, simulator, "people-late")
    close(late)
    service.rows(f"UPDATE users SET closed_at = closed_at - {15 * DAY} WHERE id = {late.user_id}")
    assert refusal(service.login(late.code(), json={"reopen": True})) == (403, "account_closed")


def purge(service: Service, **settings: str) -> dict[str, int]:
    """Run ``flask authsvc purge``; return its counts by kind."""
    before = dict(service.environment)
    service.environment |= settings
    try:
        lines = service.flask("authsvc", "purge").splitlines()
    finally:
        service.environment = before
    return {kind: int(count.split()[0]) for kind, count in (line.split(": ") for line in lines)}


def test_a_purge_erases_who_is_due_and_they_may_come_back_as_somebody_new(
    simulator: Simulator, service: Service
) -> None:
    purge(service, ACCOUNT_COOLING_OFF_DAYS="0")
    stays, leaver = (native(service, simulator, name) for name in ("people-stays", "people-leaver"))
    service.call("POST", "/auth/mp_login", json=by_phone(leaver))
    add_second(leaver)
    address = upload(leaver, WHOLE).json()["data"]["avatar_url"]
    close(leaver)
    assert purge(service) == {
        "closed accounts": 0,
        "pictures of codes": 0,
        "login attempts": 0,
        "used tickets": 0,
        "ended sessions": 0,
        "marks of users": 0,
        "decrypt failures": 0,
        "scan sign-ins": 0,
        "failures of codes": 0,
        "receipts of pushes": 0,
        "errors of WeChat": 0,
        "sessions of operators": 0,
        "changes of people": 0,
        "merges to undo": 0,
        "dead messages": 0,
        "marks of bans": 0,
        "marks of invites": 0,
        "audit events": 0,
    }
    assert service.call("GET", path_of(address)).status_code == 200

    assert purge(service, ACCOUNT_COOLING_OFF_DAYS="0")["closed accounts"] == 1

    assert service.call("GET", path_of(address)).status_code == 404
    assert service.count("users", f"id = {leaver.user_id}") == 0
    for table in ("identities", "sessions", "unionids"):
        assert service.count(table, f"user_id = {leaver.user_id}") == 0
    assert service.count("audit_events", f"event = 'erase' AND user_id = {leaver.user_id}") == 1
    assert refusal(leaver.call("GET", "/api/v1/me")) == (401, "unauthenticated")
    assert me(stays)["id"] == stays.user_id

    again = native(service, simulator, "people-leaver")
    assert (again.tokens["is_new_user"], again.user_id == leaver.user_id) == (True, False)
    assert me(again)["phone"] is None
    assert service.call("POST", "/auth/mp_login", json=by_phone(again)).status_code == 200
    assert me(again)["phone"].startswith("+86")
