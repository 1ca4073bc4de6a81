"""Nothing secret reaches a log, and nobody writes lines into it that are not ours."""

import json
import logging
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest

from authsvc import context
from authsvc.logs import MASK, Scrubber, _RowFilter, _ScrubbingJsonFormatter, _ScrubbingTextFormatter
from tests.harness.places import ROOT

SECRET = "5e884898da28047151d0e56f8dc62927"
ODD = 'p@ss/w"rd\\with\nnewline+and=more'
TOKEN = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJlLW9mLXRoaXM"


@pytest.fixture(autouse=True)
def between_requests() -> None:
    """Whatever a test before this one has asked the service in this process."""
    context.clear()


# text: what must be gone from it. Nothing here is a configured value: only its place gives it away.
SECRET_BY_ITS_PLACE: dict[str, str] = {
    "GET /sns/jscode2session?appid=wx1&secret=hidden123&js_code=c0de123&grant_type=authorization_code": "hidden123",
    "GET /sns/jscode2session?appid=wx1&js_code=c0de123hidden&x=1": "c0de123hidden",
    "POST /wxa/business/getuserphonenumber?access_token=70_hiddenhidden": "70_hiddenhidden",
    "GET /wx/login?code=043hiddenhidden": "043hiddenhidden",
    "GET /login/wechatLogin?iv=r7BXhidden%3D%3D&x=1": "r7BXhidden",
    "encryptedData=CiyLU1Aw2KjvrhiddenhiddenA==": "CiyLU1Aw",
    '{"session_key": "tiihtNczf5v6AKRyjwEUhQ==", "openid": "ohidden"}': "tiihtNczf5v6",
    '{"openid":"oGZUI0egBJY1zhBYw2KhdUfwVJJE"}': "oGZUI0egBJY1zhBYw2KhdUfwVJJE",
    "{'access_token': '70_hiddenhidden', 'expires_in': 7200}": "70_hiddenhidden",
    '"{\\"session_key\\":\\"tiihtNczf5v6AKRyjwEUhQ==\\"}"': "tiihtNczf5v6",
    '{"phoneNumber": "13580006666", "purePhoneNumber": "13580006667"}': "1358000666",
    '{"platCode": "043hiddenhidden"}': "043hiddenhidden",
    '{"refresh_token": "hidden.hidden.hidden"}': "hidden.hidden.hidden",
    f"Authorization: Bearer {TOKEN}": TOKEN,
    f"authorization: bearer {TOKEN}": TOKEN,
    "Authorization: Bearer opaque-hidden-token": "opaque-hidden-token",
    f"token refused: {TOKEN}": TOKEN,
    f'{{"data": {{"token": "{TOKEN}"}}}}': TOKEN,
    "idempotency_key=hidden-key-1": "hidden-key-1",
}


@pytest.mark.parametrize("text, hidden", SECRET_BY_ITS_PLACE.items(), ids=range(len(SECRET_BY_ITS_PLACE)))
def test_a_value_in_a_secret_place_is_masked(text: str, hidden: str) -> None:
    scrubbed = Scrubber().scrub(text)
    assert hidden not in scrubbed and MASK in scrubbed


@pytest.mark.parametrize(
    "spelling",
    [ODD, quote(ODD, safe=""), quote(ODD), json.dumps(ODD)[1:-1], json.dumps({"text": ODD})[10:-2]],
    ids=["as it is", "percent-encoded", "percent-encoded, slashes kept", "in JSON", "inside JSON"],
)
def test_a_configured_secret_is_masked_in_every_spelling(spelling: str) -> None:
    assert Scrubber((ODD,)).scrub(f"before {spelling} behind") == f"before {MASK} behind"


def test_of_two_secrets_the_longer_one_goes_first() -> None:
    assert Scrubber((SECRET, f"{SECRET}-and-more")).scrub(f"x {SECRET}-and-more") == f"x {MASK}"


@pytest.mark.parametrize(
    "text",
    [
        '{"code": 401, "error": "unauthenticated"}',
        "errcode 40029 (invalid code) rid 6312f81f-1e88b388-3f323ff0",
        '"POST /user/wxlogin" 200 512 3ms "curl/8.0"',
        "refused: wx_code_used (/sns/jscode2session: errcode 40163) /user/wxlogin request_id=0f3c9a7be21d45c6",
        "transaction runs again: OperationalError 1213",
    ],
)
def test_what_an_operator_needs_stays(text: str) -> None:
    assert Scrubber((SECRET,)).scrub(text) == text


@pytest.mark.parametrize("spelling", ["tiih\\/tNczf5v6", "tiih\\u003dtNczf5v6", "tiih\\\\/tNczf5v6"])
def test_a_value_is_masked_beyond_what_is_escaped_in_it(spelling: str) -> None:
    assert "tNczf5v6" not in Scrubber().scrub(f'{{"session_key": "{spelling}", "x": 1}}')


@pytest.mark.parametrize("secret", [SECRET, ODD, f"{SECRET}-and-more"], ids=["plain", "odd", "longer"])
def test_wherever_a_text_is_cut_no_half_of_a_secret_stays(secret: str) -> None:
    scrubber = Scrubber((SECRET, ODD, f"{SECRET}-and-more"))
    text = f"{'x' * 20}{secret}{'y' * 20}"
    for most in range(len(text)):
        kept = scrubber.scrub(scrubber.cut(text, most))
        assert kept.startswith("x" * min(most, 20)) and secret[:3] not in kept
        assert kept.endswith(" more)")


@pytest.mark.parametrize("text, hidden", SECRET_BY_ITS_PLACE.items(), ids=range(len(SECRET_BY_ITS_PLACE)))
def test_wherever_a_text_is_cut_a_value_in_a_secret_place_stays_masked(text: str, hidden: str) -> None:
    scrubber = Scrubber()
    for most in range(len(text)):
        kept = scrubber.scrub(scrubber.cut(text, most))
        assert hidden[:6] not in kept


def test_a_basic_credential_that_was_cut_is_masked_and_the_word_is_not() -> None:
    scrubber = Scrubber()
    text = "Authorization: Basic d3g6c2VjcmV0c2VjcmV0"
    for most in range(len(text)):
        assert "d3g6" not in scrubber.scrub(scrubber.cut(text, most))
    assert scrubber.scrub("wants basic auth") == "wants basic auth"


BIG = "\\" * 8000


@pytest.mark.parametrize("style", [_ScrubbingJsonFormatter, _ScrubbingTextFormatter])
@pytest.mark.parametrize(
    "record",
    [
        {"msg": f"Invalid request from ip=::1: {BIG}"},
        {"msg": "refused: %s %s", "args": (BIG, 5)},
        {"msg": "%(U)s %(a)s", "args": {"U": BIG, "a": BIG}},
        {"msg": "%r", "args": ([BIG] * 50,)},
        {"msg": "x", "extra": {"body": BIG * 9, "more": [BIG] * 50}},
        {"msg": "x", "stack_info": BIG * 9},
        {"msg": "x", "exc_info": (ValueError, ValueError(BIG * 9), None)},
        {"msg": "x", "exc_text": BIG * 9},
    ],
    ids=["text", "arguments", "named arguments", "an object", "extra", "stack", "exception", "exception text"],
)
def test_a_record_is_cut_before_anything_looks_at_it(
    monkeypatch: pytest.MonkeyPatch, style: Any, record: dict[str, Any]
) -> None:
    looked_at: list[int] = []
    scrubber = Scrubber((SECRET,))
    monkeypatch.setattr(scrubber, "scrub", lambda text: looked_at.append(len(text)) or text)
    record = {**record}
    extra = record.pop("extra", {})
    record.setdefault("args", ())
    if isinstance(record["args"], dict):
        record["args"] = (record["args"],)
    made = logging.makeLogRecord({"name": "x", "levelno": 20, "levelname": "INFO", **record, **extra})
    if record["args"] and isinstance(record["args"][0], dict):
        made.args = record["args"][0]
    line = style(scrubber).format(made)
    # JSON escapes each backslash; two extras of 20,000 are the longest.
    assert looked_at == [len(line)] and len(line) < 2 * 2 * 20_100 + 1000
    assert "more)" in line or (extra and style is _ScrubbingTextFormatter)  # which does not write every extra
    assert made.msg == record["msg"]  # other handlers get what was logged


def test_an_argument_of_a_stranger_leaves_room_for_the_others() -> None:
    made = logging.LogRecord("x", logging.INFO, "", 0, "refused: %s at %s", ("y" * 8000, "its place"), None)
    assert _ScrubbingTextFormatter(Scrubber()).format(made).endswith("more) at its place")


LOGGING = """
import logging, sys
from authsvc import logs
logs.configure("DEBUG", sys.argv[1], (sys.argv[2],))
log = logging.getLogger("authsvc.test")
secret = sys.argv[2]
class Awkward:
    def __str__(self): raise RuntimeError("no text " + secret)
{work}
"""


def written(style: str, work: str) -> str:
    """What a process with our logging writes to both its streams while it does ``work``."""
    command = [sys.executable, "-c", LOGGING.format(work=work), style, SECRET]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=True)
    return done.stdout + done.stderr


CALLS = {
    "in the message": 'log.info("called with " + secret)',
    "as an argument": 'log.info("called with %s", secret)',
    "in a repr": 'log.info("called with %r", {"key": [secret]})',
    "as extra": 'log.info("called", extra={"url": "https://x/?a=" + secret})',
    "by urllib3 at DEBUG": 'logging.getLogger("urllib3.connectionpool").debug("https://h GET /x?secret=%s", secret)',
    "in an exception": (
        'try:\n    raise ValueError("for url /x?secret=" + secret)\nexcept ValueError:\n    log.exception("failed")'
    ),
    "in an exception's cause": (
        "try:\n    try:\n        raise ValueError(secret)\n    except ValueError as error:\n"
        '        raise KeyError("x") from error\nexcept KeyError:\n    log.exception("failed")'
    ),
    "in the stack": 'log.info("here", stack_info=True)  # " + secret',
    "by warnings": "import warnings; logging.captureWarnings(True); warnings.warn(secret)",
    "in what ended a thread": (
        'import threading\ndef work(): raise ValueError("for url /x?secret=" + secret)\n'
        "thread = threading.Thread(target=work); thread.start(); thread.join()"
    ),
    "with too few arguments": 'log.info("called with %s and %s", secret)',
    "with too many arguments": 'log.info("called", secret)',
    "with an argument that has no text": 'log.info("called with %s", Awkward())',
    "with a wrong format": 'log.info("called with %d", secret)',
}


@pytest.mark.parametrize("style", ["json", "text"])
@pytest.mark.parametrize("work", CALLS.values(), ids=CALLS.keys())
def test_however_a_secret_is_logged_it_is_not_written(style: str, work: str) -> None:
    output = written(style, work)
    assert output.strip() and SECRET not in output


def test_a_record_that_cannot_be_formatted_is_still_reported_with_its_place() -> None:
    output = written("json", CALLS["with too few arguments"])
    (line,) = output.splitlines()
    said: dict[str, Any] = json.loads(line)
    assert (said["level"], said["logger"]) == ("ERROR", "authsvc.logs")
    assert "authsvc.test" in said["message"] and "TypeError" in said["message"]


FORGED = (
    'log.info("refused: not_found %s", "/x\\r\\n2026-01-01T00:00:00.000+00:00 ERROR   authsvc: forged\\u2028\\x1b[31m")'
)


@pytest.mark.parametrize("style", ["json", "text"])
def test_a_stranger_cannot_write_a_line_of_their_own(style: str) -> None:
    output = written(style, FORGED)
    assert len(output.splitlines()) == 1 and "\x1b" not in output and "forged" in output


OF_A_REQUEST = """
from authsvc import context
context.request_id.set("0f3c9a7be21d45c6"); context.appid.set("wx1")
logging.getLogger("sqlalchemy.pool").info("checked out")
log.info("GET %s 404", logs.shown('/x request_id=forged'), extra={"status": 404, "user_agent": 'a" request_id=forged'})
context.clear()
log.info("between")
"""


def test_in_json_every_line_of_a_request_has_its_id_and_its_mini_program_whoever_logs_it() -> None:
    lines = [json.loads(line) for line in written("json", OF_A_REQUEST).splitlines()]
    assert [(line.get("request_id"), line.get("app")) for line in lines] == [
        ("0f3c9a7be21d45c6", "wx1"),
        ("0f3c9a7be21d45c6", "wx1"),
        (None, None),
    ]
    assert (lines[1]["status"], lines[1]["user_agent"]) == (404, 'a" request_id=forged')


def test_in_text_fields_are_behind_the_message_and_a_stranger_cannot_write_one() -> None:
    pool, access, between = written("text", OF_A_REQUEST).splitlines()
    assert pool.endswith(" sqlalchemy.pool: checked out app=wx1 request_id=0f3c9a7be21d45c6")
    assert access.endswith(
        r' GET "/x request_id=forged" 404 user_agent="a\" request_id=forged" app=wx1 request_id=0f3c9a7be21d45c6'
    )
    assert between.endswith(" authsvc.test: between")


@pytest.mark.parametrize("zone, offset", {"UTC": "+00:00", "Asia/Shanghai": "+08:00"}.items())
@pytest.mark.parametrize("style", ["json", "text"])
def test_a_time_has_its_zone(monkeypatch: pytest.MonkeyPatch, style: str, zone: str, offset: str) -> None:
    monkeypatch.setenv("TZ", zone)
    line = written(style, 'log.info("now")')
    said = json.loads(line)["time"] if style == "json" else line.split()[0]
    assert said.endswith(offset) and abs(datetime.fromisoformat(said) - datetime.now(UTC)) < timedelta(minutes=1)


def test_a_warning_of_python_is_a_line_like_any_other() -> None:
    said = json.loads(written("json", 'import warnings; warnings.warn("old")'))
    assert (said["level"], said["logger"]) == ("WARNING", "py.warnings") and "old" in said["message"]


def test_in_text_a_traceback_keeps_its_lines() -> None:
    output = written("text", 'try:\n    1 / 0\nexcept ZeroDivisionError:\n    log.exception("a\\nb")')
    lines = output.splitlines()
    assert len(lines) > 3 and lines[1].startswith("Traceback") and lines[-1].startswith("ZeroDivisionError")


def test_every_line_is_one_json_object_with_time_level_and_logger() -> None:
    output = written("json", 'log.warning("鹿 %s", 5)\nlogging.getLogger("gunicorn.error").error("x")')
    lines = [json.loads(line) for line in output.splitlines()]
    assert [(line["level"], line["logger"], line["message"]) for line in lines] == [
        ("WARNING", "authsvc.test", "鹿 5"),
        ("ERROR", "gunicorn.error", "x"),
    ]
    assert all(line["time"] for line in lines) and "鹿" in output


@pytest.mark.parametrize(
    "name, level, shown",
    [
        ("sqlalchemy.engine.Engine", logging.DEBUG, False),
        ("sqlalchemy.engine.Engine", logging.INFO, True),
        ("authsvc.web.errors", logging.DEBUG, True),
    ],
)
def test_fetched_rows_are_not_logged(name: str, level: int, shown: bool) -> None:
    assert _RowFilter().filter(logging.LogRecord(name, level, "", 0, "", (), None)) is shown


def test_a_log_that_cannot_be_written_fails_nobody() -> None:
    assert written("json", 'sys.stderr.close()\nlog.info("x")\nprint("still here")') == "still here\n"
