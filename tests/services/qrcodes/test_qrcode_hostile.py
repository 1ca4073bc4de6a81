"""Hostile names and scenes, planted files, answers of WeChat that are no picture: nothing gets where it should not."""

import base64
import os
import socket
import stat
import string
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from tests.harness import codes, pictures, signedin
from tests.harness.codes import ENDPOINT, calls, fetched, file_of, files, ordered, scanned
from tests.harness.service import Service
from tests.harness.simulator import Simulator

pytestmark = pytest.mark.slow

ALPHABET = string.digits + string.ascii_letters + "!#$&'()*+,/:;=?@-._~"
NAME = "0123456789abcdef" * 2
PAGE = "pages/login/login"
CLEAR = {"page": PAGE, "is_hyaline": True}
SCRIPT = b"<script>" + pictures.MARK + b"</script>"


@pytest.fixture(scope="module")
def service(start_service: Callable[..., Service]) -> Service:
    # One worker: what it remembers of a failure, it remembers for every request here.
    return start_service("qr-hostile", workers=1)


@pytest.fixture(scope="module")
def token(service: Service) -> str:
    return codes.credential(service)


@pytest.fixture
def unique(request: pytest.FixtureRequest) -> Iterator[str]:
    """Scenes that no other test has asked for."""
    return (f"t={abs(hash(request.node.nodeid)) % 10**9}-{number}" for number in range(1000))


# --- names and scenes ---------------------------------------------------------------------------------------


def hostile_names(outside: Path) -> list[bytes]:
    """What somebody may put behind /qrcodes/, as it goes over the wire."""
    stem = NAME.encode()
    ups = [
        prefix + tail
        for prefix in (
            b"../", b"..%2f", b"%2e%2e/", b"%2e%2e%2f", b"%252e%252e%252f", b"..\\", b"..%5c", b"%2e%2e%5c",
            b"..%c0%af", b"..%ef%bc%8f", b"....//", b"..;/", b"./", b"%2e/", b"/", b"//", b"%2f", b"%5c", b"~/",
        )
        for tail in (b"authsvc.db", b"../authsvc.db", b"keys/signing.json", b"../../../etc/passwd", stem + b".jpg")
    ]  # fmt: skip
    devices = [
        device + ending for device in (b"CON", b"NUL", b"aux", b"COM1", b"LPT1", b"PRN") for ending in (b"", b".jpg")
    ]
    near = [
        stem, stem + b".JPG", stem.upper() + b".jpg", stem + b".gif", stem + b".svg", stem + b".jpg.png",
        stem + b".jpg%00", stem + b"%00.jpg", stem + b".jpg%0a", stem + b".jpg%20", stem + b".jpg/", stem + b".jpg.",
        stem + b".jpg::$DATA", stem + b".jpg;a", stem[:-1] + b".jpg", stem + b"0.jpg", b"." + stem + b".jpg",
        b"." + stem + b".jpg.0123456789abcdef.draft", b"%ef%bc%90" + stem[1:] + b".jpg",
        stem + b"%ef%bc%8ejpg", b"%00", b"%0a", b"%0d%0aSet-Cookie:%20a=b", b"*", b"*.jpg", b"?", b"%3f", b"a" * 300,
        b"%61" * 300, b"%", b"%zz", b"%ff%fe", b"..", b".", b"%2e", b"-rf", b"|ls", b"$(id)", b"`id`", b"{stem}.jpg",
        b".htaccess", b".git", b"index.html", b"thumbs.db", b"*.*", b"%2a", b"&", b"=", b"#", b"'", b'"', b"<script>",
    ]  # fmt: skip
    return [*ups, *devices, *near, bytes(outside), b"/" + bytes(outside)]


def hostile_scenes() -> list[object]:
    foreign = [chr(code) for code in range(0x20, 0x7F) if chr(code) not in ALPHABET]
    return [
        *(f"invite_code={character}" for character in foreign),
        *(
            "",
            "a" * 33,
            "a" * 300,
            "邀请码",
            "a b",
            "a%3D1",
            "../../etc/passwd\0",
            "a\n",
            "a\r\nb",
            "\0",
            "／etc",
            "ａ",
            "é",
        ),
        *("a\u200b", "\u202ea", "🙂", "\ud800", None, 5, ["a"], {"a": 1}, True),
    ]


def raw_get(service: Service, target: bytes) -> int:
    """Send exactly these bytes as the target; return the status."""
    with socket.create_connection(("127.0.0.1", service.port), timeout=10) as connection:
        connection.sendall(b"GET " + target + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    service.keep({}, answer)
    return int(answer.split(b" ", 2)[1])


def tree(service: Service) -> set[str]:
    """Every path around the service's instance folder, but for what SQLite and the access_token come and go with."""
    return {
        str(path)
        for path in service.folder.rglob("*")
        if "authsvc.db" not in path.name and "access_token" not in path.parts
    }


def test_two_hundred_hostile_names_and_scenes_end_before_wechat_and_touch_nothing(
    simulator: Simulator, service: Service, token: str, figures: Callable[[str], None], tmp_path: Path
) -> None:
    good = ordered(service, token, "good=1").json()["data"]["url"]
    simulator.clear()
    outside = tmp_path / f"{NAME}.jpg"
    outside.write_bytes(b"outside")
    before = tree(service)
    names = hostile_names(outside)
    scenes = hostile_scenes()
    statuses = [raw_get(service, b"/qrcodes/" + name) for name in names]
    assert set(statuses) <= {400, 404}, [
        (name, status) for name, status in zip(names, statuses, strict=True) if status not in (400, 404)
    ]
    refused = [ordered(service, token, scene) for scene in scenes]
    assert {answer.status_code for answer in refused} == {400}
    assert {tuple(answer.json().get("fields", ())) for answer in refused} == {("scene",)}
    pages = ["/pages/a", "pages/a?b=1", "pages//a", "../a", "pages/a/", "页面", "p" * 129, "scancode_time", "a\n"]
    wrong_pages = [ordered(service, token, "a", page=page) for page in pages]
    assert [(answer.status_code, list(answer.json()["fields"])) for answer in wrong_pages] == [(400, ["page"])] * len(
        pages
    )
    assert calls(simulator) == []
    assert (tree(service), outside.read_bytes()) == (before, b"outside")
    assert fetched(service, good).status_code == 200
    count = len(names) + len(scenes) + len(pages)
    assert count >= 200
    figures(f"hostile names, scenes and pages: {count}, all 400 or 404; calls to WeChat 0, files touched 0")


# --- planted files ------------------------------------------------------------------------------------------


def plant_link(place: Path, victim: Path) -> None:
    place.symlink_to(victim)


def plant_second_name(place: Path, victim: Path) -> None:
    place.hardlink_to(victim)


def plant_pipe(place: Path, victim: Path) -> None:
    os.mkfifo(place)


def plant_folder(place: Path, victim: Path) -> None:
    place.mkdir()
    (place / "kept").write_bytes(b"kept")


def plant_socket(place: Path, victim: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        here = Path.cwd()
        os.chdir(place.parent)  # the path of a socket has 108 bytes at most
        listener.bind(place.name)
        os.chdir(here)


PLANTS = (plant_link, plant_second_name, plant_pipe, plant_folder, plant_socket)


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.__name__)
@pytest.mark.parametrize("is_known", [True, False], ids=["after it was made", "before it is made"])
def test_what_stands_in_a_pictures_place_is_never_followed_served_or_waited_for(
    simulator: Simulator,
    service: Service,
    token: str,
    tmp_path: Path,
    unique: Iterator[str],
    plant: Callable[[Path, Path], None],
    is_known: bool,
) -> None:
    scene = next(unique)
    address = ordered(service, token, scene).json()["data"]["url"]
    place, victim = file_of(service, address), tmp_path / "victim"
    victim.write_bytes(b"victim")
    place.unlink()
    if not is_known:
        codes.forget(service, address)
    plant(place, victim)
    assert fetched(service, address, timeout=5).status_code == 404
    answer = ordered(service, token, scene)
    assert (answer.status_code, answer.json()["data"]["url"]) == (200, address)
    assert victim.read_bytes() == b"victim"
    facts = place.lstat()
    assert (stat.S_ISREG(facts.st_mode), facts.st_nlink, stat.S_IMODE(facts.st_mode)) == (True, 1, 0o600)
    assert scanned(fetched(service, address).content) == scene
    if plant is plant_folder:
        assert [path.read_bytes() for path in place.parent.glob(f"{place.name}.unfit-*/kept")] == [b"kept"]


# --- what WeChat may answer ---------------------------------------------------------------------------------


def drawn(simulator: Simulator, scene: str, **look: object) -> bytes:
    """A picture as WeChat sends it."""
    query = {"access_token": simulator.tokens()["access_token"]}
    answer = requests.post(simulator.url + ENDPOINT, params=query, json={"scene": scene, **look}, timeout=10)
    assert answer.headers["Content-Type"] == "image/jpeg"
    return answer.content


def raw(body: bytes | str, content_type: str = "image/jpeg") -> dict[str, object]:
    content = body.encode() if isinstance(body, str) else body
    return {"kind": "raw", "body_base64": base64.b64encode(content).decode(), "content_type": content_type}


def bad_answers(picture: bytes) -> dict[str, dict[str, object]]:
    """What may come instead of this PNG."""
    size, end = len(picture), picture[-12:]
    cuts = [1, 8, 33, *(size * share // 16 for share in range(1, 16)), size - 12, size - 1]
    small = pictures.encoded(pictures.picture((279, 279)), "PNG")
    return {
        "a JSON error": {"kind": "errcode", "errcode": 40169},
        "a JSON error called a picture": raw('{"errcode":-1,"errmsg":"system error"}'),
        "JSON without an error": raw('{"errcode":0,"errmsg":"ok"}', "application/json"),
        "half of a JSON error": raw('{"errcode":4', "application/json"),
        "HTML": raw("<!doctype html><title>502 Bad Gateway</title>", "text/html"),
        "SVG": raw('<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>', "image/svg+xml"),
        "GIF": raw(pictures.encoded(pictures.picture((430, 430)), "GIF")),
        "WebP": raw(pictures.encoded(pictures.picture((430, 430)), "WEBP")),
        "nothing": raw(b""),
        "20 MB": {"kind": "big", "megabytes": 20},
        "a gzip bomb": {"kind": "gzip_bomb", "megabytes": 20},
        "PNG and a script behind it": {"kind": "altered", "append": SCRIPT.decode()},
        "PNG and a script with an end of its own": raw(picture + SCRIPT + b"\0\0\0\0IEND"),
        "a script that begins as a PNG": raw(pictures.PNG_SIGNATURE + SCRIPT),
        "too small": raw(small),
        "too large": raw(pictures.encoded(pictures.picture((1281, 1281)), "PNG")),
        "a PNG of 30,000 × 30,000": raw(pictures.png_that_claims(30_000, 30_000)),
        "a JPEG of 10,000 empty scans": raw(pictures.jpeg_of_empty_scans(10_000, (1280, 1280))),
        "a JPEG of 130,000 Exif segments": raw(
            pictures.jpeg_of_segments(
                pictures.jpeg_segment(0xE1, b"Exif\0\0abcdef") * 130_000, image=pictures.picture((430, 430))
            )
        ),
        "a PNG of 170,000 chunks": raw(
            pictures.png(pictures.chunk(b"prVt", b"") * 170_000, image=pictures.picture((430, 430)))
        ),
        "a PNG without pixels": raw(picture[: picture.index(b"IDAT") - 4] + end),
        **{f"a PNG cut after {keep} bytes": raw(picture[:keep]) for keep in cuts},
    }


def test_nothing_but_a_whole_picture_is_stored_and_what_is_stored_stays(
    simulator: Simulator, service: Service, token: str, unique: Iterator[str], figures: Callable[[str], None]
) -> None:
    answers = bad_answers(drawn(simulator, next(unique), **CLEAR))
    assert sum("cut after" in name for name in answers) == 20
    for name, fault in answers.items():
        kept, new = next(unique), next(unique)
        address = ordered(service, token, kept, **CLEAR).json()["data"]["url"]
        codes.forget(service, address)  # as if the row had been lost: WeChat is asked again, and the file lies there
        before = files(service)
        simulator.fault(fault, path=ENDPOINT, times=None)
        refused = [ordered(service, token, scene, **CLEAR) for scene in (kept, new)]
        simulator.call("DELETE", "/control/faults")
        assert [answer.status_code for answer in refused] == [503, 503], name
        assert files(service) == before, name
        assert scanned(fetched(service, address).content) == kept, name
        assert service.count("code_pictures", "ending IS NULL") == 0, name
    figures(f"answers of WeChat that are no whole picture: {len(answers)}, stored 0, good files unharmed")


def test_what_hides_inside_a_whole_picture_is_gone(
    simulator: Simulator, service: Service, token: str, unique: Iterator[str]
) -> None:
    scene = next(unique)
    png, jpeg = drawn(simulator, scene, is_hyaline=True), drawn(simulator, scene)
    end = png.index(b"IEND") - 4
    hiding = {
        "in a PNG's text": png[:end] + pictures.chunk(b"tEXt", b"Comment\0" + SCRIPT) + png[end:],
        "in a PNG's own chunk": png[:end] + pictures.chunk(b"prVt", SCRIPT) + png[end:],
        "in a JPEG's comment": jpeg[:2] + b"\xff\xfe" + (len(SCRIPT) + 2).to_bytes(2) + SCRIPT + jpeg[2:],
        "behind a JPEG, with an end of its own": jpeg + SCRIPT + b"\xff\xd9",
    }
    for number, (name, content) in enumerate(hiding.items()):
        simulator.fault(raw(content), path=ENDPOINT)
        address = ordered(service, token, scene, width=300 + number).json()["data"]["url"]
        stored = fetched(service, address).content
        assert pictures.MARK not in stored and b"<script" not in stored, name
        assert scanned(stored) == scene, name


def test_who_comes_after_a_failure_is_a_new_try(
    simulator: Simulator, service: Service, token: str, unique: Iterator[str]
) -> None:
    scene = next(unique)
    simulator.fault(raw("<html>"), path=ENDPOINT, times=2)
    answers = [ordered(service, token, scene) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [503, 503, 200]
    assert {answer.json()["error"] for answer in answers[:2]} == {"wx_code_picture_unavailable"}
    assert {answer.headers["Retry-After"] for answer in answers[:2]} == {"5"}
    assert len(calls(simulator)) == 3
    assert service.count("code_failures", "error = 'wx_code_picture_unavailable'") >= 2


@pytest.mark.parametrize("status", [500, 502, 503, 504, 429])
def test_an_outage_is_asked_twice_and_answered_503(
    simulator: Simulator, service: Service, token: str, unique: Iterator[str], status: int
) -> None:
    simulator.fault({"kind": "http_status", "status": status, "body": "<html>"}, path=ENDPOINT, times=None)
    answer = ordered(service, token, next(unique))
    assert (answer.status_code, answer.json()["action"]) == (503, "retry")
    assert len(calls(simulator)) == 2
    simulator.clear()
    assert ordered(service, token, next(unique)).status_code == 200


def test_a_dead_access_token_is_replaced_once(
    simulator: Simulator, service: Service, token: str, unique: Iterator[str]
) -> None:
    assert ordered(service, token, next(unique)).status_code == 200
    fetches = simulator.tokens()["fetches"]
    simulator.kill_token()
    simulator.clear()
    assert ordered(service, token, next(unique)).status_code == 200
    assert (len(calls(simulator)), simulator.tokens()["fetches"] - fetches) == (2, 1)
    simulator.clear()
    simulator.fault({"kind": "errcode", "errcode": 40001}, path=ENDPOINT, times=None)
    answer = ordered(service, token, next(unique))
    assert (answer.status_code, answer.json()["error"]) == (503, "wx_misconfigured")
    assert len(calls(simulator)) == 2


def test_the_limit_of_a_minute_is_no_outage(
    simulator: Simulator, service: Service, token: str, unique: Iterator[str]
) -> None:
    for errcode in (45009, 45011):
        simulator.fault({"kind": "errcode", "errcode": errcode}, path=ENDPOINT)
        answer = ordered(service, token, next(unique))
        assert (answer.status_code, answer.json()["error"]) == (429, "wx_rate_limited")
        assert answer.headers["Retry-After"] == "60"


def test_a_failure_has_the_shape_that_this_front_end_reads(simulator: Simulator, service: Service) -> None:
    user = signedin.bearer(service, simulator, "qr-hostile-bearer")
    simulator.fault({"kind": "errcode", "errcode": 41030}, path=ENDPOINT, times=None)
    answer = service.call("GET", "/generate_qrcode", token=user)
    assert (answer.status_code, answer.json()) == (200, {"code": 500, "message": "二维码生成失败", "data": None})
    # The pictures are everybody's, whichever front ends a deployment serves.
    assert service.call("GET", f"/qrcodes/{'0' * 32}.jpg").json()["error"] == "no_such_item"
    answer = service.call("GET", "/qrcodes/none.jpg")  # no name of a picture, so no address of one
    assert (answer.status_code, answer.json()["error"]) == (404, "not_found")
