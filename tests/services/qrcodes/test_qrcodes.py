"""Who makes a picture of a code, for whom, and when it goes: claims, limits, sweeps, on both databases."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from authsvc import errors as e
from authsvc.db.database import Database
from authsvc.db.queries import code_pictures, service_credentials
from authsvc.db.queries.code_pictures import NOBODY, Failure, Owner
from authsvc.db.queries.service_credentials import ServiceCredential
from authsvc.imaging.lane import Lane
from authsvc.picturestore.folder import PictureFolder
from authsvc.sealing import KeyedHash
from authsvc.services.qrcodes import codepictures
from authsvc.services.qrcodes.codepictures import CodePictures
from authsvc.services.qrcodes.drawing import Drawing
from authsvc.values.pictures import PictureLimits, WxaCode
from authsvc.values.wechat import MiniProgram
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
def new(
    each_database: Database, clock: Clock, wechat: WeChat, lane: Lane, tmp_path: Path
) -> Callable[..., CodePictures]:
    def build(key: bytes = b"k" * 32, **limits: int) -> CodePictures:
        return CodePictures(
            drawing=Drawing(wechat, wechat, lane),  # type: ignore[arg-type]
            database=each_database,
            store=PictureFolder(tmp_path / "qrcodes"),
            base_url="https://login.example.test/qrcodes",
            hashes=KeyedHash((key,), "pictures"),
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


def test_a_name_depends_on_the_app_and_the_key_and_all_that_shows(new: Callable[..., CodePictures]) -> None:
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
    new: Callable[..., CodePictures],
    each_database: Database,
    clock: Clock,
    wechat: WeChat,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(codepictures, "_PATIENCE_SECONDS", 0.3)
    made = new()
    stem = made._stem(APP, CODE)
    until = int(clock.now()) + 30
    each_database.run(lambda connection: code_pictures.begin(connection, stem, NOBODY, 7, until=until, now=1))
    with pytest.raises(e.WxaCodeUnanswered):
        made.picture(APP, CODE)
    assert wechat.calls == 0
    clock.moment += 30
    assert made.picture(APP, CODE).name == f"{stem}.jpg"
    assert wechat.calls == 1


def test_who_finds_their_claim_taken_over_leaves_nothing(
    new: Callable[..., CodePictures], each_database: Database, wechat: WeChat, users: list[int], tmp_path: Path
) -> None:
    made = new()
    wechat.before = lambda: made.delete_of_user(users[0])
    with pytest.raises(e.WxaCodeUnanswered):
        made.picture(APP, CODE, Owner(users[0]))
    assert (rows(each_database, "SELECT * FROM code_pictures"), files(tmp_path)) == ([], set())


def test_a_picture_goes_with_its_user_also_one_that_was_nobodys_before(
    new: Callable[..., CodePictures], users: list[int], tmp_path: Path
) -> None:
    made = new()
    theirs = made.picture(APP, CODE).name
    assert made.picture(APP, CODE, Owner(users[0])).name == theirs
    others = made.picture(APP, replace(CODE, width=300), Owner(users[1])).name
    made.delete_of_user(users[0])
    assert files(tmp_path) == {others}
    made.delete_of_user(users[0])
    made.delete_of_user(users[1])
    assert files(tmp_path) == set()


def test_a_sweep_takes_what_nobody_asks_for_and_the_oldest_over_the_limit(
    new: Callable[..., CodePictures], clock: Clock, tmp_path: Path
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
    new: Callable[..., CodePictures], each_database: Database, wechat: WeChat, users: list[int], tmp_path: Path
) -> None:
    made = new(per_user=5)

    def order(width: int) -> str:
        try:
            return made.picture(APP, replace(CODE, width=width), Owner(users[0])).name
        except e.PictureLimitReached:
            return "refused"

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(order, range(300, 320)))
    assert answers.count("refused") == 15
    assert (wechat.calls, len(files(tmp_path))) == (5, 5)
    assert rows(each_database, "SELECT COUNT(*) FROM code_pictures") == [(5,)]


@pytest.fixture
def services(each_database: Database) -> list[str]:
    """The names of two services."""
    for name in ("printer", "menu"):
        credential = ServiceCredential(name, "hash", ("qrcode",), 1)
        each_database.run(lambda connection, one=credential: service_credentials.insert(connection, one))
    return ["printer", "menu"]


def outcome(work: Callable[[], Any]) -> str:
    try:
        work()
    except e.AuthSvcError as error:
        return error.error
    return "drawn"


def test_the_share_of_a_service_holds_for_many_at_once_and_is_nobody_elses(
    new: Callable[..., CodePictures], wechat: WeChat, users: list[int], services: list[str]
) -> None:
    processes = [new(per_service=5) for _ in range(4)]

    def order(number: int) -> str:
        code = replace(CODE, scene=f"s={number}")
        return outcome(lambda: processes[number % 4].picture(APP, code, Owner(service=services[0])))

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(order, range(20)))
    assert sorted(answers) == ["drawn"] * 5 + ["picture_limit_reached"] * 15
    assert wechat.calls == 5
    assert [order(number) for number, answer in enumerate(answers) if answer == "drawn"] == ["drawn"] * 5
    made = processes[0]
    assert outcome(lambda: made.picture(APP, replace(CODE, scene="s=20"), Owner(service=services[1]))) == "drawn"
    assert outcome(lambda: made.picture(APP, replace(CODE, scene="s=21"), Owner(users[0]))) == "drawn"
    assert outcome(lambda: made.picture(APP, replace(CODE, scene="s=22"))) == "drawn"
    assert (
        outcome(lambda: new(per_service=0).picture(APP, replace(CODE, scene="s=23"), Owner(service=services[0])))
        == "drawn"
    )


def test_what_a_service_no_longer_asks_for_makes_room(
    new: Callable[..., CodePictures], clock: Clock, services: list[str]
) -> None:
    made = new(per_service=1, keep=10 * DAY)
    assert outcome(lambda: made.picture(APP, CODE, Owner(service=services[0]))) == "drawn"
    other = replace(CODE, scene="a=2")
    assert outcome(lambda: made.picture(APP, other, Owner(service=services[0]))) == "picture_limit_reached"
    clock.moment += 11 * DAY
    assert made.sweep() == 1
    assert outcome(lambda: made.picture(APP, other, Owner(service=services[0]))) == "drawn"


def test_services_together_leave_room_for_people(
    new: Callable[..., CodePictures], users: list[int], services: list[str]
) -> None:
    def ordered(number: int) -> str:
        made, code = new(total=10), replace(CODE, scene=f"s={number}")
        return outcome(lambda: made.picture(APP, code, Owner(service=services[number % 2])))

    def owned(number: int) -> str:
        made, code = new(total=10), replace(CODE, scene=f"i={number}")
        return outcome(lambda: made.picture(APP, code, Owner(users[0])))

    assert list(map(ordered, range(9))) == ["drawn"] * 8 + ["pictures_full"]
    assert list(map(owned, range(3))) == ["drawn", "drawn", "pictures_full"]


def test_a_service_that_is_gone_has_nothing_drawn(new: Callable[..., CodePictures], wechat: WeChat) -> None:
    assert outcome(lambda: new().picture(APP, CODE, Owner(service="gone"))) == "forbidden"
    assert wechat.calls == 0


# --- what failed ----------------------------------------------------------------------------------------------


def test_those_who_waited_share_a_failure_and_who_comes_afterwards_tries_anew(
    new: Callable[..., CodePictures], each_database: Database, wechat: WeChat
) -> None:
    processes = [new() for _ in range(4)]
    all_wait = threading.Event()

    def fail() -> None:
        all_wait.wait(10)
        raise e.WeChatRateLimited("45009", 45009)

    wechat.before = fail
    with ThreadPoolExecutor(12) as pool:
        waiting = [pool.submit(outcome, partial(processes[number % 4].picture, APP, CODE)) for number in range(12)]
        while wechat.calls == 0:
            time.sleep(0.01)
        time.sleep(0.3)  # by now everybody has looked, and waits
        all_wait.set()
        assert {future.result() for future in waiting} == {"wx_rate_limited"}
    assert wechat.calls == 1
    wechat.before = lambda: None
    assert [outcome(partial(made.picture, APP, CODE)) for made in processes] == ["drawn"] * 4
    assert wechat.calls == 2
    assert rows(each_database, "SELECT error, errcode FROM code_failures") == [("wx_rate_limited", 45009)]


def test_failures_are_forgotten_after_a_minute(
    new: Callable[..., CodePictures], each_database: Database, wechat: WeChat, clock: Clock
) -> None:
    def fail() -> None:
        raise e.WeChatUnreachable("nobody there")

    wechat.before = fail
    made = new()
    for number in range(3):
        assert outcome(partial(made.picture, APP, replace(CODE, scene=f"f={number}"))) == "wechat_unavailable"
        clock.moment += 70
    assert rows(each_database, "SELECT COUNT(*) FROM code_failures") == [(1,)]
    assert rows(each_database, "SELECT COUNT(*) FROM code_pictures") == [(0,)]


def test_a_call_that_was_never_made_is_no_failure_of_those_who_waited(
    new: Callable[..., CodePictures], wechat: WeChat
) -> None:
    full, free = new(), new()
    is_waiting = threading.Event()

    def refuse() -> None:
        wechat.before = lambda: None
        is_waiting.wait(10)
        raise e.WeChatOverloaded("no place")

    wechat.before = refuse
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(outcome, partial(full.picture, APP, CODE))
        while wechat.calls == 0:
            time.sleep(0.01)
        second = pool.submit(outcome, partial(free.picture, APP, CODE))
        time.sleep(0.2)
        is_waiting.set()
        assert (first.result(), second.result()) == ("wechat_overloaded", "drawn")


def test_an_error_comes_back_as_what_it_was() -> None:
    for error in (
        e.WxaPageUnknown("41030", 41030),
        e.WeChatMisconfigured("40013", 40013),
        e.WeChatRateLimited("45009", 45009),
        e.PicturesUnavailable("disk full"),
        e.PicturesBusy("many wait"),
        e.ServiceBusy("locked"),
        e.WxaCodeUnanswered("<html>"),
    ):
        again = codepictures._error(codepictures._failure(error))
        assert (type(again), getattr(again, "errcode", None)) == (type(error), getattr(error, "errcode", None))
    assert codepictures._failure(KeyError("x")) == Failure("wx_code_picture_unavailable")
    assert type(codepictures._error(Failure("of a later version"))) is e.WxaCodeUnanswered
