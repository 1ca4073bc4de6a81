"""Pictures of many codes: several at once, at WeChat's pace, and no further than makes sense."""

import threading
import time
from collections.abc import Iterator

import pytest

from authsvc import errors as e
from authsvc.clock import SystemClock
from authsvc.services.miniprograms.apps import Apps
from authsvc.services.qrcodes import batches as drawing
from authsvc.services.qrcodes.batches import CodeBatches, Drawn, Stopped
from authsvc.values.pictures import CodePicture, WxaCode
from authsvc.values.wechat import MiniProgram

APP = MiniProgram("wx4f4bc4dec97d474b", "an-app-secret-of-no-use", "audience")
CODES = [f"C{number:03}" for number in range(60)]
FAST = 6_000_000


class QrCodes:
    """Keeps names instead of pictures; ``fails`` says what is raised for a code, each time anew."""

    def __init__(self, fails: dict[str, list[Exception]] | None = None, seconds: float = 0.0) -> None:
        self.kept: set[str] = set()
        self.asked: list[tuple[str, float]] = []
        self.most_at_once = 0
        self._fails = fails or {}
        self._seconds = seconds
        self._at_once = 0
        self._lock = threading.Lock()

    def invite(self, invite_code: str) -> WxaCode:
        return WxaCode(scene=invite_code)

    def find(self, app: MiniProgram, code: WxaCode) -> str | None:
        return f"{code.scene}.jpg" if code.scene in self.kept else None

    def read(self, name: str) -> bytes:
        return name.encode()

    def picture(self, app: MiniProgram, code: WxaCode) -> CodePicture:
        with self._lock:
            self.asked.append((code.scene, time.monotonic()))
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        time.sleep(self._seconds)
        with self._lock:
            self._at_once -= 1
            if faults := self._fails.get(code.scene):
                raise faults.pop(0)
            self.kept.add(code.scene)
        return CodePicture(f"{code.scene}.jpg", "", code)


def batches(qrcodes: QrCodes, per_minute: int = FAST, at_once: int = 4) -> CodeBatches:
    return CodeBatches(
        Apps((APP,)),
        qrcodes,  # type: ignore[arg-type]
        qrcodes,  # type: ignore[arg-type]
        SystemClock(),
        per_minute=per_minute,
        at_once=at_once,
    )


@pytest.fixture(autouse=True)
def _no_long_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing, "_PAUSE_SECONDS", 0.01)


def drawn_until_stopped(found: Iterator[Drawn]) -> tuple[list[Drawn], Stopped]:
    told = []
    with pytest.raises(Stopped) as stopped:
        told.extend(found)  # list.extend keeps what came before the end
    return told, stopped.value


def test_what_has_no_picture_is_drawn_several_at_once_and_told_in_order() -> None:
    qrcodes = QrCodes(seconds=0.01)
    qrcodes.kept = set(CODES[::2])
    told = list(batches(qrcodes).draw(CODES))
    assert told == [Drawn(code, is_new=number % 2 == 1) for number, code in enumerate(CODES)]
    assert sorted(code for code, _ in qrcodes.asked) == CODES[1::2]
    assert 1 < qrcodes.most_at_once <= 4
    assert list(batches(qrcodes).draw(CODES)) == [Drawn(code) for code in CODES]


def test_wechat_is_not_asked_faster_than_the_setting() -> None:
    qrcodes = QrCodes()
    list(batches(qrcodes, per_minute=1200).draw(CODES[:8]))
    moments = sorted(moment for _, moment in qrcodes.asked)
    assert moments[-1] - moments[0] >= 7 * 0.05 - 0.005


@pytest.mark.parametrize(
    "error, will_pass",
    [(e.WeChatRateLimited("45009"), True), (e.WeChatQuotaExhausted("45009"), True), (e.PicturesFull("100000"), False)],
)
def test_a_quota_stops_everything_and_is_no_fault_of_a_code(error: e.AuthSvcError, will_pass: bool) -> None:
    qrcodes = QrCodes({code: [error] for code in CODES[10:]}, seconds=0.005)
    told, stopped = drawn_until_stopped(batches(qrcodes).draw(CODES))
    assert told == [Drawn(code, is_new=True) for code in CODES[:10]]
    assert stopped.will_pass is will_pass and error.en in str(stopped)
    assert len(qrcodes.asked) <= 14
    assert [drawn.is_new for drawn in batches(QrCodes()).draw(CODES)] == [True] * 60


def test_single_failures_are_told_and_ten_in_a_row_stop() -> None:
    bad = e.WeChatMisconfigured("40129")
    qrcodes = QrCodes({code: [bad] for code in [*CODES[:9], *CODES[10:12], *CODES[20:]]})
    told, stopped = drawn_until_stopped(batches(qrcodes, at_once=1).draw(CODES))
    assert [drawn.invite_code for drawn in told if not drawn.error] == [CODES[9], *CODES[12:20]]
    assert sum(drawn.error is bad for drawn in told) >= 21
    assert not stopped.will_pass and len(qrcodes.asked) < 40


def test_a_short_outage_is_waited_out() -> None:
    away = [e.WeChatUnreachable("away"), e.WxaCodeUnanswered("cut")]
    qrcodes = QrCodes({code: list(away) for code in CODES})
    assert all(drawn.is_new for drawn in batches(qrcodes).draw(CODES))
    assert len(qrcodes.asked) == 180


def test_leaving_early_begins_nothing_more() -> None:
    qrcodes = QrCodes(seconds=0.005)
    drawing = batches(qrcodes, per_minute=6000).draw(CODES)
    next(drawing)
    drawing.close()
    begun = len(qrcodes.asked)
    time.sleep(0.05)
    assert len(qrcodes.asked) == begun < 40


def test_an_unknown_app_is_refused_before_anything() -> None:
    qrcodes = QrCodes()
    with pytest.raises(e.UnknownApp):
        list(batches(qrcodes).draw(CODES, "wxba5fad812f8e6fb9"))
    assert qrcodes.asked == []


def test_pictures_come_with_their_name_and_gaps() -> None:
    qrcodes = QrCodes()
    qrcodes.kept = {"C001"}
    assert list(batches(qrcodes).pictures(["C000", "C001"])) == [None, ("C001.jpg", b"C001.jpg")]
