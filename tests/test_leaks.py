"""Nothing secret leaves: whatever fails, however loud the libraries are told to be, on both databases."""

import base64
import gc
import io
import json
import logging
import secrets
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from urllib.parse import quote

import pytest

from authsvc import logs
from authsvc.app import create_app
from authsvc.config import BadSettings, Settings
from authsvc.errors import WeChatError
from authsvc.signing.keyfile import create_key_file
from authsvc.values.wechat import MiniProgram, WeChatSession
from authsvc.wechat.client import WeChatClient
from authsvc.wechat.transport import Transport
from authsvc.wechat.wire import Wire
from tests.conftest import APPID
from tests.harness.leaks import Canaries, spellings, written_in
from tests.harness.processes import free_port
from tests.harness.service import ISSUER, Service
from tests.harness.simulator import Simulator
from tests.harness.sockets import black_hole, listening, says

SECRET = secrets.token_hex(16)
CODE = secrets.token_urlsafe(24)


# --- the scanner itself -----------------------------------------------------------------------------------------

PLANTED = "tiihtNczf5v6AKRyjwEUh+/x"
WAYS: dict[str, Callable[[str], str | bytes]] = {
    "plain": lambda secret: secret,
    "in a URL": lambda secret: f"https://x/?secret={quote(secret, safe='')}&n=1",
    "quoted but for slashes": lambda secret: quote(secret),
    "quoted twice": lambda secret: quote(quote(secret, safe=""), safe=""),
    "in JSON": lambda secret: json.dumps({"k": secret}),
    "in JSON in JSON": lambda secret: json.dumps(json.dumps({"k": secret})),
    "JSON with escaped slashes": lambda secret: json.dumps({"k": secret}).replace("/", "\\/"),
    "the same in JSON": lambda secret: json.dumps(json.dumps({"k": secret}).replace("/", "\\/")),
    "hex": lambda secret: secret.encode().hex(),
    "HEX": lambda secret: secret.encode().hex().upper(),
    "base64 of a text that begins with it": lambda secret: base64.b64encode(f"{secret} and more".encode()),
    "base64, one byte before": lambda secret: base64.b64encode(f"({secret})".encode()),
    "base64, two bytes before": lambda secret: base64.b64encode(f"k={secret}".encode()),
    "base64url": lambda secret: base64.urlsafe_b64encode(f"key={secret}".encode()),
    "the bytes it stands for, in hex": lambda secret: base64.b64decode("tiihtNczf5v6AKRyjwEUhQ==").hex(),
}


@pytest.mark.parametrize("place", range(5))
@pytest.mark.parametrize("way", WAYS)
def test_the_scan_finds_a_secret_in_every_spelling_at_every_place(tmp_path: Path, way: str, place: int) -> None:
    secret = "tiihtNczf5v6AKRyjwEUhQ==" if "bytes" in way else PLANTED
    written = WAYS[way](secret)
    raw = written if isinstance(written, bytes) else written.encode()
    (tmp_path / "x.log").write_bytes(b"." * (1000 + place) + raw + b" and so on")
    canaries = Canaries()
    canaries.never("planted", secret)
    assert canaries.hits([tmp_path / "x.log"], []) != []
    assert canaries.hits([], [tmp_path / "x.log"]) != []


def test_the_scan_finds_nothing_in_innocent_text(tmp_path: Path) -> None:
    canaries = Canaries()
    canaries.never("planted", PLANTED)
    (tmp_path / "x.log").write_text(f"{PLANTED[:7]} {secrets.token_hex(5000)} {PLANTED[8:-8]}")
    assert canaries.hits([tmp_path / "x.log"], []) == []


SURFACES = (
    "shop-0/service.log",
    "shop-0/answers.txt",
    "shop-0/dump.db",
    "shop-0/instance/authsvc.db",
    "shop-0/instance/authsvc.db-wal",
    "shop-0/instance/authsvc.db-shm",
    "shop-0/instance/avatars/0123.jpg",
    "shop-0/instance/avatars/.draft-x",
    "shop-0/instance/qrcodes/0123.png",
    "shop-0/instance/access_token/wx.failure.json",
    "shop-0/instance/anything-new/x",
    "printed.log",
)


@pytest.mark.parametrize("surface", SURFACES)
def test_the_scan_over_a_run_finds_a_secret_wherever_it_is_planted(tmp_path: Path, surface: str) -> None:
    for name in (*SURFACES, "shop-0/instance/keys/signing.json", "shop-0/.env", "apps.toml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("innocent")
    canaries = Canaries()
    canaries.never("planted", PLANTED)
    canaries.not_in_logs("openid", "oLAN00000000000000000000000a")
    # Where they belong they are no leak.
    (tmp_path / "shop-0/instance/keys/signing.json").write_text(PLANTED)
    assert canaries.hits(*written_in(tmp_path)) == []
    (tmp_path / surface).write_text(f"{PLANTED} oLAN00000000000000000000000a")
    kinds = sorted(hit.partition(" in ")[0] for hit in canaries.hits(*written_in(tmp_path)))
    assert kinds == (["openid", "planted"] if surface.endswith(".log") else ["planted"])


def test_the_check_finds_a_service_that_logs_a_session_key(
    simulator: Simulator, start_apart: Callable[[str], Service], figures: Callable[[str], None]
) -> None:
    """This one leaks on purpose, a session_key in base64 within a debug line."""
    twin = start_apart("tests.twins.talkative:app")
    assert twin.login(simulator.code("overheard")).status_code == 200
    twin.stop()
    twin.canaries.never("session_key", simulator.account("overheard")["session_key"])
    hits = twin.canaries.hits([twin.log], [twin.answers])
    figures(f"leak scan on the talkative twin: {hits}")
    assert hits == ["session_key in talkative/service.log"]


# --- every way in which a call to WeChat fails -------------------------------------------------------------------


@contextmanager
def _tls_nonsense() -> Iterator[str]:
    with listening(says(b"HTTP/1.1 400 plain HTTP on a TLS port\r\n\r\n")) as plain:
        yield f"https://{plain.address}"


@contextmanager
def _broken(answer: bytes) -> Iterator[str]:
    with listening(says(answer)) as listener:
        yield f"http://{listener.address}"


@contextmanager
def _silent(simulator: Simulator) -> Iterator[str]:
    simulator.fault({"kind": "hang"}, times=None)
    yield simulator.url


@contextmanager
def _reset(simulator: Simulator) -> Iterator[str]:
    simulator.fault({"kind": "reset"}, times=None)
    yield simulator.url


@contextmanager
def _at(address: str) -> Iterator[str]:
    yield address


@contextmanager
def _nowhere() -> Iterator[str]:
    with black_hole() as address:
        yield f"http://{address}"


FAILURES = {
    "refused": lambda simulator: _at(f"http://127.0.0.1:{free_port()}"),
    "no such name": lambda simulator: _at("https://wechat.invalid"),
    "bad status": lambda simulator: _broken(b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n"),
    "redirect": lambda simulator: _broken(b"HTTP/1.1 302 Found\r\nLocation: http://x/\r\nContent-Length: 0\r\n\r\n"),
    "read timeout": _silent,
    "connect timeout": lambda simulator: _nowhere(),
    "not TLS": lambda simulator: _tls_nonsense(),
    "not HTTP": lambda simulator: _broken(b"\x00\x01\x02 nonsense\r\n\r\n"),
    "bad length": lambda simulator: _broken(b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n{"),
    "bad chunk": lambda simulator: _broken(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
    "reset": _reset,
    "an echo": lambda simulator: _broken(
        b'HTTP/1.1 200 OK\r\nContent-Length: 80\r\n\r\n{"errcode":-1,"errmsg":"' + b"x" * 60
    ),
}


@pytest.fixture
def loud_log() -> Iterator[io.StringIO]:
    """What our root handler writes when every library is at DEBUG, tracebacks included."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    logs.configure("DEBUG", "text", (SECRET,))
    text = io.StringIO()
    [handler] = [handler for handler in root.handlers if handler not in before]
    assert isinstance(handler, logging.StreamHandler)
    handler.setStream(text)
    yield text
    root.handlers[:] = before
    root.setLevel(level)


@pytest.mark.parametrize("kind", FAILURES)
def test_no_exception_of_a_call_carries_what_was_sent(kind: str, simulator: Simulator, loud_log: io.StringIO) -> None:
    """Neither printed, nor logged with its traceback, nor taken apart by an error reporter."""
    with FAILURES[kind](simulator) as address:
        client = WeChatClient(Transport(address, max_in_flight=2))
        with pytest.raises(WeChatError) as caught:
            client.code2session(MiniProgram(APPID, SECRET, "us"), CODE)
    error = caught.value
    logging.getLogger("some.library").error("it failed: %r", error, exc_info=error)
    logging.getLogger("urllib3.connectionpool").warning("Retrying after %r: %s", error.__context__, error.__context__)
    shown = [repr(error), str(error), *traceback.format_exception(error), loud_log.getvalue()]
    shown += [repr(value) for value in _locals_of_ours(error.__traceback__)]
    assert "it failed" in loud_log.getvalue()
    for name, secret in (("AppSecret", SECRET), ("code", CODE)):
        forms = spellings(secret)
        assert not [text for text in shown if any(form.decode() in text for form in forms)], f"{name} shows"


def test_the_check_finds_a_log_without_scrubber(
    simulator: Simulator, loud_log: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What asks WeChat logs nothing itself: here it tells each address, as libraries and people who debug do."""
    exchange = Wire.exchange

    def tell(self: Wire, method: str, target: str, body: bytes | None, **bounds: float) -> tuple[int, bytes]:
        logging.getLogger("wire").debug("%s %s", method, target)
        return exchange(self, method, target, body, **bounds)

    monkeypatch.setattr(Wire, "exchange", tell)
    monkeypatch.setattr(logs.Scrubber, "scrub", lambda self, text: text)
    with FAILURES["bad status"](simulator) as address, pytest.raises(WeChatError):
        WeChatClient(Transport(address, max_in_flight=2)).code2session(MiniProgram(APPID, SECRET, "us"), CODE)
    assert SECRET in loud_log.getvalue()
    assert CODE in loud_log.getvalue()


def _locals_of_ours(step: TracebackType | None) -> Iterator[object]:
    """The values that an error reporter would print of the frames of authsvc, the caller's code aside."""
    while step is not None:
        if "authsvc/wechat" in step.tb_frame.f_code.co_filename:
            yield {name: value for name, value in step.tb_frame.f_locals.items() if name != "code"}
        step = step.tb_next


@pytest.mark.parametrize("database", ["sqlite", "mysql"])
@pytest.mark.slow
def test_a_service_under_every_failure_logs_and_answers_nothing_secret(
    database: str, simulator: Simulator, start_briefly: Callable[..., Service], request: pytest.FixtureRequest
) -> None:
    """The run's own scan reads this service's output too; here it is read at once, so that the culprit is known."""
    service = start_briefly(f"failing-{database}", database=database, workers=1)
    codes = []

    def sign_in(**options: object) -> int:
        codes.append(simulator.code("failing"))
        return service.login(codes[-1], **options).status_code

    assert sign_in() == 200
    sealed = simulator.sealed("failing")
    assert sign_in(json=sealed) == 200
    assert sign_in(json={**sealed, "iv": base64.b64encode(bytes(16)).decode()}) == 400
    assert sign_in(json={"surprise": simulator.account("failing")["session_key"]}) == 400
    assert service.call("GET", f"/user/wxlogin?code={codes[-1]}&secret=x").status_code == 405
    for fault in ({"kind": "http_status", "status": 500}, {"kind": "reset"}, {"kind": "raw", "body": "<html>"}):
        simulator.fault(fault)
        assert sign_in() in (502, 503)
    service.rows("ALTER TABLE sessions RENAME TO gone")
    assert sign_in() in (500, 503)
    service.rows("ALTER TABLE gone RENAME TO sessions")
    assert sign_in() == 200

    account = simulator.account("failing")
    canaries = Canaries()
    for name in ("session_key", "openid"):
        canaries.not_in_logs(name, account[name])
    canaries.never("AppSecret", service.environment["WX_SECRET"])
    canaries.never("SECRET_KEYS", service.environment["SECRET_KEYS"])
    canaries.never("session_key", account["session_key"])
    for code in codes:
        canaries.never("login code", code)
    service.process.stop()
    assert canaries.hits([service.log], [service.answers]) == []


# --- logging and printing our own objects ------------------------------------------------------------------------


class _Unprintable:
    def __str__(self) -> str:
        raise ValueError(f"cannot print {SECRET}")


def test_a_record_that_cannot_be_written_says_so_without_its_values(
    loud_log: io.StringIO, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    logger = logging.getLogger("some.library")
    # Past pytest's own handlers, which raise where others go on.
    ours = [handler for handler in logging.getLogger().handlers if type(handler).__module__ == "authsvc.logs"]
    monkeypatch.setattr(logger, "handlers", ours)
    monkeypatch.setattr(logger, "propagate", False)
    logger.error("%d tries with %s", f"secret={SECRET}", CODE)
    logger.error("%s", _Unprintable())
    logger.error("the next line is written as ever")
    shown = loud_log.getvalue() + "".join(capfd.readouterr())
    assert SECRET not in shown
    assert CODE not in shown
    assert shown.count("could not be written") == 2
    assert "some.library" in shown
    assert "the next line is written as ever" in shown


def test_no_object_of_ours_prints_a_secret(simulator: Simulator, tmp_path: Path) -> None:
    key, password = secrets.token_urlsafe(32), secrets.token_urlsafe(16)
    instance = tmp_path / "instance"
    environment = {
        "INSTANCE_PATH": str(instance),
        "DATABASE_URL": f"sqlite:///{instance / 'x.db'}",
        "WX_APPID": APPID,
        "WX_SECRET": SECRET,
        "WX_API_BASE": simulator.url,
        "WX_PROXY": f"http://proxy:{password}@127.0.0.1:1",
        "PUBLIC_BASE_URL": ISSUER,
        "SECRET_KEYS": key,
    }
    settings = Settings.from_env({**environment, "DATABASE_URL": f"mysql://us:{password}@127.0.0.1/x"})
    session = WeChatSession("o" + password, key, key)
    printed = [repr(settings), repr(session), f"{settings}", str(settings.apps)]

    create_key_file(instance / "keys" / "signing.json")
    private = json.loads((instance / "keys" / "signing.json").read_text())["keys"][0]["jwk"]["d"]
    app = create_app(Settings.from_env(environment))
    assert app.extensions["authsvc"] is not None
    ours = [thing for thing in gc.get_objects() if str(type(thing).__module__).startswith("authsvc.")]
    assert len(ours) > 20
    printed += [repr(thing) for thing in ours]
    for secret in (SECRET, key, password, private):
        assert not [text for text in printed if any(form.decode() in text for form in spellings(secret))]


def test_bad_settings_are_named_without_their_values() -> None:
    values = {
        "WX_APPID": "not-an-appid",
        "WX_SECRET": "tooshort",
        "SECRET_KEYS": f"{SECRET},{CODE}",
        "DATABASE_URL": f"postgres://us:{SECRET}@db/x",
        "PUBLIC_BASE_URL": f"ftp://{CODE}",
        "LOG_LEVEL": CODE,
        "LOGIN_RETRY_WINDOW": CODE,
    }
    with pytest.raises(BadSettings) as refused:
        Settings.from_env(values)
    for name in values:
        assert name in str(refused.value)
    for value in (*values.values(), SECRET, CODE):
        assert value not in str(refused.value)
