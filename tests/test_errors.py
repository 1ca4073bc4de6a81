"""Every error can be told apart, explained in two languages, acted on, and answered in every contract."""

from collections import Counter
from collections.abc import Iterator
from typing import get_args

import pytest

from authsvc import errors as e
from authsvc.cli.errors import page
from authsvc.web.contracts import CONTRACTS
from authsvc.web.contracts.native import NATIVE
from authsvc.web.errors import STATUSES, status_of
from authsvc.wechat.errcodes import ERRORS, error_for, without_tail
from tests.harness.places import ROOT

DOCUMENT = ROOT / "docs" / "errors.md"
# They exist to share what lies below them and are never raised.
ABSTRACT = {e.AuthSvcError, e.WeChatError}
# Nobody outside may tell a session that has ended from a token that was forged.
SHARING_A_NAME = {e.DatabaseBusy, e.SessionEnded, e.AccessTokenRejected, e.AccessTokenUnavailable, e.LookUpsStopped}


def descendants(base: type[e.AuthSvcError]) -> Iterator[type[e.AuthSvcError]]:
    for kind in base.__subclasses__():
        yield kind
        yield from descendants(kind)


KINDS = [kind for kind in descendants(e.AuthSvcError) if kind not in ABSTRACT]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_an_error_says_what_it_is_in_both_languages_and_what_to_do(kind: type[e.AuthSvcError]) -> None:
    assert kind.error.isascii() and kind.error.replace("_", "").isalpha() and kind.error == kind.error.lower()
    assert kind.zh and any("一" <= character <= "鿿" for character in kind.zh) and not kind.zh.endswith("。")
    assert kind.en.isascii() and kind.en[0].isupper() and not kind.en.endswith(".")
    assert kind.action in get_args(e.Action)
    assert kind.__doc__


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract.name)
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_an_error_has_a_status_in_every_contract(kind: type[e.AuthSvcError], contract) -> None:
    assert 400 <= status_of(kind(), contract) <= 599


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_what_the_caller_can_cure_is_4xx_and_what_the_operator_must_mend_is_an_alarm(
    kind: type[e.AuthSvcError],
) -> None:
    status = status_of(kind(), NATIVE)
    if kind.alarm:
        assert status >= 500
    if kind.action == "fix_request":
        assert status < 500
    if kind.action == "retry" or (status in (429, 503) and kind.action != "contact"):
        assert kind.retry_after is not None


def test_names_are_unique_but_where_they_are_meant_to_be_shared() -> None:
    assert {kind for kind in KINDS if "error" not in vars(kind)} == SHARING_A_NAME
    owners = Counter(kind.error for kind in KINDS if "error" in vars(kind))
    assert [name for name, count in owners.items() if count > 1] == []


def test_who_shares_a_name_shares_everything_that_shows() -> None:
    for kind in SHARING_A_NAME:
        (parent,) = kind.__bases__
        shown = ("error", "zh", "en", "action", "retry_after", "alarm")
        assert all(getattr(kind, name) == getattr(parent, name) for name in shown)
        assert all(status_of(kind(), contract) == status_of(parent(), contract) for contract in CONTRACTS)


def test_every_status_belongs_to_an_error_that_exists() -> None:
    tables = [STATUSES, *(contract.statuses for contract in CONTRACTS)]
    assert [kind for table in tables for kind in table if kind not in KINDS] == []


def test_the_text_for_the_log_is_not_what_users_read() -> None:
    error = e.LoginCodeUsed("/sns/jscode2session: errcode 40163", errcode=40163, errmsg="code been used")
    assert "40163" in str(error) and "40163" not in error.zh + error.en


# The errcodes of WeChat's pages by who has to act: the numbers of the server API, mapped or not today.
BY_FAULT: dict[str, tuple[int, ...]] = {
    "the user's one-time credential": (40029, 40163, 41008, 87007, 87009, 40003),
    "WeChat's risk control": (40226, 50001),
    "a passing fault": (-1,),
    "a limit per minute": (45011,),
    "a limit per day or life": (45009, 45029, 48006),
    "ourselves": (
        *(40001, 40002, 40013, 40014, 40033, 40035, 40066, 40097, 40125, 40129, 40159, 40164, 40169, 40189),
        *(40230, 40231, 40232, 40233, 40234, 40235, 40236, 40237, 40238, 40239, 40240, 40243),
        *(41001, 41002, 41004, 41009, 41030, 42001, 43001, 43002, 43003, 44002, 45063, 47001),
        *(48001, 48004, 50002, 50004, 50007, 61003, 61004, 65206),
        *(76001, 76002, 76003, 76004, 76021, 76022, 85096, 87008, 89002, 89300, 89503, 89506, 89507),
    ),
}
EXPECTED: dict[str, tuple[tuple[int, ...], str, bool]] = {
    "the user's one-time credential": ((401,), "relogin", False),
    "WeChat's risk control": ((403,), "contact", False),
    "a passing fault": ((503,), "relogin", False),
    "a limit per minute": ((429,), "retry", False),
    "a limit per day or life": ((503,), "retry", True),
    "ourselves": ((503,), "contact", True),
}


@pytest.mark.parametrize(
    "errcode, fault", [(errcode, fault) for fault, errcodes in BY_FAULT.items() for errcode in errcodes]
)
def test_every_errcode_of_wechat_is_answered_by_whoever_must_act(errcode: int, fault: str) -> None:
    assert errcode in ERRORS
    error = error_for("/sns/jscode2session", errcode, "text, rid: 6312f81f-1e88b388-3f323ff0")
    statuses, action, alarm = EXPECTED[fault]
    assert status_of(error, NATIVE) in statuses
    assert (error.action, error.alarm, error.errcode) == (action, alarm, errcode)


def test_no_errcode_is_mapped_that_no_table_names() -> None:
    assert set(ERRORS) == {errcode for errcodes in BY_FAULT.values() for errcode in errcodes}


@pytest.mark.parametrize("errcode", [1, -2, 40000, 99999, 10**12])
def test_an_unknown_errcode_is_wechats_fault_and_alarms(errcode: int) -> None:
    error = error_for("/sns/jscode2session", errcode, "something new")
    assert type(error) is e.WeChatUnknownError
    assert (status_of(error, NATIVE), error.alarm) == (502, True)
    assert str(errcode) in str(error)


RID = "6312f81f-1e88b388-3f323ff0"
TEXTS = {
    f"invalid code, rid: {RID}": "invalid code",
    f"invalid appid rid: {RID}": "invalid appid",
    f"invalid code hint: [IfdFrrMre-JPlAXa] rid: {RID}": "invalid code",
    "invalid code, hints: [ req_id: uhJDVZyFe-YZguHA ]": "invalid code",
    "invalid page hint: [6qqTta0210c393]": "invalid page",
    f"invalid length for scene, or the data is not json string hint: [a-b] rid: {RID}": (
        "invalid length for scene, or the data is not json string"
    ),
    f"invalid ip 8.149.1.108 ipv6 ::ffff:8.149.1.108, not in whitelist rid: {RID}": (
        "invalid ip 8.149.1.108 ipv6 ::ffff:8.149.1.108, not in whitelist"
    ),
    "system error": "system error",
    "api minute-quota reach limit, must slower, retry next minute": (
        "api minute-quota reach limit, must slower, retry next minute"
    ),
    "rid: is error": "rid: is error",
    "": "",
}


@pytest.mark.parametrize("text, kept", TEXTS.items(), ids=TEXTS.keys())
def test_wechats_text_is_kept_without_its_tail(text: str, kept: str) -> None:
    assert without_tail(text) == kept
    said_to_people = kept if kept in ("invalid code", "system error") or kept.startswith("api minute") else ""
    assert error_for("/x", 40029, text).errmsg == said_to_people


def test_the_request_id_goes_to_the_log_and_long_texts_are_cut() -> None:
    assert f"rid {RID}" in str(error_for("/x", 40029, f"invalid code, rid: {RID}"))
    assert len(str(error_for("/x", 40029, "x" * 100_000))) < 300


def test_the_document_is_what_the_code_says() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == page(), "run: flask authsvc errors > docs/errors.md"


def test_the_document_names_every_error_and_every_errcode() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert [kind.error for kind in KINDS if f"| `{kind.error}` |" not in text] == []
    cells = {cell.strip() for line in text.splitlines() for cell in line.rpartition(" | ")[2].strip("| ").split(",")}
    assert [errcode for errcode in ERRORS if str(errcode) not in cells] == []
