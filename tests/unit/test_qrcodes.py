"""Who makes a picture of a code, for whom, and when it goes: claims, limits, sweeps, on both databases."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from authsvc import errors as e
from authsvc.db import codepictures
from authsvc.db.database import Database
from authsvc.imaging.lane import Lane
from authsvc.pictures import PictureLimits, WxaCode
from authsvc.picturestore.folder import PictureFolder
from authsvc.sealing import KeyedHash
from authsvc.services import qrcodes
from authsvc.services.apps import Apps
from authsvc.services.qrcodes import QrCodes
from authsvc.types import MiniProgram
from tests.harness import pictures
from tests.harness.inprocess import Clock, rows

APP = MiniProgram("wx4f4bc4dec97d474b", "an-app-secret-of-no-use", "audience")
OTHER_APP = MiniProgram("wxba5fad812f8e6fb9", "an-app-secret-of-no-use", "other")
CODE = WxaCode(scene="a=1")
DAY = 86400
DRAWN = pictures.encoded(pictures.picture((430, 430)), "JPEG")


class WeChat:
    """The client and the access_token in one: answers with a picture, after whatever a test wants done before."""

    def __init__(self) -> None:
        self.calls = 0
        self.before: Callable[[], Any] = lambda: None
        self._lock = threading.Lock()

    def call(self, app: MiniProgram, work: Callable[[str], Any]) -> Any:
        return work("70_token")

    def get_wxacode_unlimited(self, token: str, code: WxaCode) -> bytes:
        with self._lock:
            self.calls += 1
        self.before()
        return DRAWN


@pytest.fixture
def wechat() -> WeChat:
    return WeChat()


@pytest.fixture(scope="module")
def lane() -> Lane:
    return Lane("code", 64)


@pytest.fixture
def new(each_database: Database, clock: Clock, wechat: WeChat, lane: Lane, tmp_path: Path) -> Callable[..., QrCodes]:
    def build(key: bytes = b"k" * 32, **limits: int) -> QrCodes:
        return QrCodes(
            apps=Apps((APP, OTHER_APP)),
            wechat=wechat,  # type: ignore[arg-type]
            access_tokens=wechat,  # type: ignore[arg-type]
            database=each_database,
            store=PictureFolder(tmp_path / "qrcodes"),
            lane=lane,
            base_url="https://login.example.test/qrcodes",
            hashes=KeyedHash((key,), "pictures"),
            invites=None,  # type: ignore[arg-type]
            defaults=CODE,
            limits=PictureLimits(**limits),
            clock=clock,
        )

    return build


@pytest.fixture
def users(each_database: Database) -> list[int]:
    """The ids of two users."""

    def work(connection: Any) -> None:
        for _ in range(2):
            connection.exec_driver_sql("INSERT INTO users (created_at, updated_at, last_login_at) VALUES (1, 1, 1)")

    each_database.run(work)
    return [user_id for (user_id,) in rows(each_database, "SELECT id FROM users ORDER BY id")]


def files(folder: Path) -> set[str]:
    return {path.name for path in (folder / "qrcodes").glob("*")}


def test_a_name_depends_on_the_app_and_the_key_and_all_that_shows(new: Callable[..., QrCodes]) -> None:
    made = new()
    shown = [
        CODE,
        replace(CODE, scene="a=2"),
        replace(CODE, page="pages/other/other"),
        replace(CODE, page=""),
        replace(CODE, env_version="trial"),
        replace(CODE, width=431),
        replace(CODE, line_color="000001"),
        replace(CODE, auto_color=True),
        replace(CODE, is_hyaline=True),
    ]
    names = [made.picture(APP, code).name for code in shown]
    names += [made.picture(OTHER_APP, CODE).name, new(key=b"o" * 32).picture(APP, CODE).name]
    assert len(set(names)) == len(names)
    assert made.picture(APP, replace(CODE, check_path=False)).name == names[0]
    assert new().picture(APP, CODE).url == f"https://login.example.test/qrcodes/{names[0]}"


def test_a_claim_is_waited_for_and_succeeded_when_its_holder_has_died(
    new: Callable[..., QrCodes], each_database: Database, clock: Clock, wechat: WeChat, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(qrcodes, "_PATIENCE_SECONDS", 0.3)
    made = new()
    stem = made._stem(APP, CODE)
    until = int(clock.now()) + 30
    each_database.run(lambda connection: codepictures.claim(connection, stem, None, until=until, now=1))
    with pytest.raises(e.WxaCodeUnanswered):
        made.picture(APP, CODE)
    assert wechat.calls == 0
    clock.moment += 30
    assert made.picture(APP, CODE).name == f"{stem}.jpg"
    assert wechat.calls == 1


def test_who_finds_their_claim_taken_over_leaves_nothing(
    new: Callable[..., QrCodes], each_database: Database, wechat: WeChat, users: list[int], tmp_path: Path
) -> None:
    made = new()
    wechat.before = lambda: made.delete_of_user(users[0])
    with pytest.raises(e.WxaCodeUnanswered):
        made.picture(APP, CODE, users[0])
    assert (rows(each_database, "SELECT * FROM code_pictures"), files(tmp_path)) == ([], set())


def test_a_picture_goes_with_its_user_also_one_that_was_nobodys_before(
    new: Callable[..., QrCodes], users: list[int], tmp_path: Path
) -> None:
    made = new()
    theirs = made.picture(APP, CODE).name
    assert made.picture(APP, CODE, users[0]).name == theirs
    others = made.picture(APP, replace(CODE, width=300), users[1]).name
    made.delete_of_user(users[0])
    assert files(tmp_path) == {others}
    made.delete_of_user(users[0])
    made.delete_of_user(users[1])
    assert files(tmp_path) == set()


def test_a_sweep_takes_what_nobody_asks_for_and_the_oldest_over_the_limit(
    new: Callable[..., QrCodes], clock: Clock, tmp_path: Path
) -> None:
    made = new(keep=10 * DAY, total=3)
    first = made.picture(APP, replace(CODE, width=300)).name
    made.picture(APP, replace(CODE, width=301))
    clock.moment += 6 * DAY
    made.picture(APP, replace(CODE, width=300))
    clock.moment += 6 * DAY
    assert made.sweep() == 1
    assert files(tmp_path) == {first}
    more = [new().picture(APP, replace(CODE, width=width)).name for width in (302, 303, 304)]
    with pytest.raises(e.PicturesFull):
        new(total=3).picture(APP, replace(CODE, width=305))
    assert made.sweep() == 1
    assert files(tmp_path) == set(more)
    assert new(keep=0, total=0).sweep() == 0


def test_the_limit_of_a_user_holds_for_many_at_once(
    new: Callable[..., QrCodes], each_database: Database, wechat: WeChat, users: list[int], tmp_path: Path
) -> None:
    made = new(per_user=5)

    def order(width: int) -> str:
        try:
            return made.picture(APP, replace(CODE, width=width), users[0]).name
        except e.PictureLimitReached:
            return "refused"

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(order, range(300, 320)))
    assert answers.count("refused") == 15
    assert (wechat.calls, len(files(tmp_path))) == (5, 5)
    assert rows(each_database, "SELECT COUNT(*) FROM code_pictures") == [(5,)]
