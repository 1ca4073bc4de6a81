"""Calls to other machines end in time whatever is slow there, under gevent and with threads, and leave nothing open."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.harness.certificates import Authority
from tests.harness.places import ROOT
from tests.harness.sockets import (
    SILENT,
    TLS_RECORD,
    Talk,
    black_hole,
    drips,
    drips_in_tls,
    keeps_silent,
    listening,
    says,
)

pytestmark = pytest.mark.slow

MODES = ("gevent", "threads")
# What a call may take, and a second for a busy machine.
LIMITS = {"wechat": 6.0, "bucket": 7.5, "redis": 4.0, "limits": 4.0, "verify": 6.0, "mysql": 6.0}
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
ANSWER = HEAD + b"Content-Length: 4000\r\n\r\n" + b"x" * 4000
NEVER_SENT = ("WeChatUnreachable", "retry")
LOST = ("WeChatNoAnswer", "relogin")
Case = tuple[str, dict[str, str]]


def cases(serve: Callable[[Talk], str], hole: str, authority: Authority) -> dict[str, Case]:
    """Every part of a call that can be slow."""
    record, silence = serve(drips(TLS_RECORD)), serve(keeps_silent)
    in_records = serve(drips_in_tls(authority.server("127.0.0.1"), ANSWER))
    headers, body = serve(drips(HEAD + b"X: ")), serve(drips(ANSWER[:-4000]))
    refusal = serve(says(b"HTTP/1.1 403 Forbidden\r\n\r\n"))
    ca, wechat = str(authority.file), "https://wechat.test"
    found: dict[str, Case] = {
        "wechat, its name": ("wechat", {"url": f"https://{SILENT}"}),
        "wechat, an address": ("wechat", {"url": f"https://{hole}"}),
        "wechat, its handshake drips": ("wechat", {"url": f"https://{record}"}),
        "wechat, no handshake": ("wechat", {"url": f"https://{silence}"}),
        "wechat, the name of its proxy": ("wechat", {"url": wechat, "proxy": f"http://{SILENT}:3128"}),
        "wechat, its proxy is silent": ("wechat", {"url": wechat, "proxy": f"http://{silence}"}),
        "wechat, its proxy drips": ("wechat", {"url": wechat, "proxy": f"http://{headers}"}),
        "wechat, its proxy refuses": ("wechat", {"url": wechat, "proxy": f"http://{refusal}"}),
        "wechat, TLS to its proxy drips": ("wechat", {"url": wechat, "proxy": f"https://{record}"}),
        "wechat, a record drips": ("wechat", {"url": f"https://{in_records}", "ca_file": ca}),
        "wechat, headers drip": ("wechat", {"url": f"http://{headers}"}),
        "wechat, the body drips": ("wechat", {"url": f"http://{body}"}),
        "limits, the name of Redis": ("limits", {"url": f"redis://{SILENT}:6379/0"}),
        "verify, a record drips": ("verify", {"url": f"https://{in_records}", "ca_file": ca}),
        "verify, headers drip": ("verify", {"url": f"http://{headers}"}),
        "verify, the body drips": ("verify", {"url": f"http://{body}"}),
        "mysql, its name": ("mysql", {"url": f"mysql+pymysql://u:p@{SILENT}/d"}),
        "mysql, no greeting": ("mysql", {"url": f"mysql+pymysql://u:p@{silence}/d"}),
        "mysql, its greeting drips": ("mysql", {"url": f"mysql+pymysql://u:p@{serve(greets_in_drips)}/d"}),
        "bucket, headers drip": ("bucket", {"url": f"http://{headers}"}),
        "bucket, the body drips": ("bucket", {"url": f"http://{body}"}),
        "redis, its answer drips": ("redis", {"url": f"redis://{serve(drips(b'$400'))}/0"}),
    }
    for kind, scheme in (("bucket", "https"), ("redis", "rediss"), ("verify", "https")):
        found |= {
            f"{kind}, its name": (kind, {"url": f"{scheme}://{SILENT}:8443"}),
            f"{kind}, no handshake": (kind, {"url": f"{scheme}://{silence}"}),
            f"{kind}, its handshake drips": (kind, {"url": f"{scheme}://{record}"}),
        }
    return found


def greets_in_drips(connection: Any) -> None:
    """A server that talks first, as MySQL does."""
    connection.sendall(b"\x4a\x00")
    drips(pause=0.2)(_Talkative(connection))


class _Talkative:
    def __init__(self, connection: Any) -> None:
        self.sendall = connection.sendall

    def recv(self, _: int) -> bytes:
        return b"-"


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, dict[str, Any]]]:
    """Both modes side by side: what each case ended in."""
    authority = Authority(tmp_path_factory.mktemp("authority"))
    with ExitStack() as open_ones:
        asked = json.dumps(
            cases(
                lambda talk: open_ones.enter_context(listening(talk)).address,
                open_ones.enter_context(black_hole()),
                authority,
            )
        )
        command = [sys.executable, "-m", "tests.harness.outbound"]
        pipe = subprocess.PIPE
        running = [
            subprocess.Popen([*command, mode], cwd=ROOT, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
            for mode in MODES
        ]
        for process in running:
            assert process.stdin
            process.stdin.write(asked)
            process.stdin.close()
            process.stdin = None
        ended = [process.communicate(timeout=60) for process in running]
    yield {mode: json.loads(out or "null") or pytest.fail(err) for mode, (out, err) in zip(MODES, ended, strict=True)}


@pytest.mark.parametrize("mode", MODES)
def test_every_call_ends_in_time_whatever_part_of_it_is_slow(
    results: dict[str, dict[str, Any]], mode: str, figures: Callable[[str], None]
) -> None:
    found = results[mode]["cases"]
    slowest = max(found, key=lambda name: found[name]["seconds"])
    figures(
        f"{len(found)} calls to far ends that are slow in some part, {mode}: the slowest ended after "
        f"{found[slowest]['seconds']} s ({slowest})"
    )
    late = {name: case for name, case in found.items() if case["seconds"] > LIMITS[name.partition(",")[0]]}
    assert late == {}
    assert [name for name, case in found.items() if case["error"] is None] == ["limits, the name of Redis"]


@pytest.mark.parametrize("mode", MODES)
def test_what_was_never_sent_may_be_sent_again_and_what_was_may_not(
    results: dict[str, dict[str, Any]], mode: str
) -> None:
    sent = {"wechat, a record drips", "wechat, headers drip", "wechat, the body drips"}
    found = {
        name: (case["error"], case["action"])
        for name, case in results[mode]["cases"].items()
        if name.startswith("wechat")
    }
    assert found == {name: LOST if name in sent else NEVER_SENT for name in found}


REASONS = {
    "wechat, its name": "WX_API_BASE cannot be reached: no name server answers in time",
    "wechat, an address": "WX_API_BASE cannot be reached: no connection in time",
    "wechat, no handshake": "WX_API_BASE cannot be reached: the TLS handshake takes too long",
    "wechat, the name of its proxy": "WX_PROXY cannot be reached: no name server answers in time",
    "wechat, its proxy is silent": "WX_PROXY cannot be reached: no answer to CONNECT in time",
    "wechat, its proxy refuses": "WX_PROXY cannot be reached: HTTP status 403 to CONNECT",
    "wechat, TLS to its proxy drips": "WX_PROXY cannot be reached: the TLS handshake takes too long",
    "bucket, its name": "bucket pictures: no name server answers in time",
    "mysql, no greeting": "no greeting or login in time",
}


@pytest.mark.parametrize("mode", MODES)
def test_the_log_is_told_what_was_slow(results: dict[str, dict[str, Any]], mode: str) -> None:
    found = results[mode]["cases"]
    assert [(name, found[name]["text"]) for name, reason in REASONS.items() if reason not in found[name]["text"]] == []
    assert [name for name, case in found.items() if "c0de" in json.dumps(case) or "sEcret" in json.dumps(case)] == []


@pytest.mark.parametrize("mode", MODES)
def test_nothing_is_left_open(results: dict[str, dict[str, Any]], mode: str) -> None:
    files, threads = results[mode]["after"]
    files_before, threads_before = results[mode]["before"]
    assert (files <= files_before, threads <= threads_before) == (True, True), results[mode]
    assert set(results[mode]["places"]) == {1}


@pytest.mark.slow
def test_the_check_sees_a_twin_that_leaves_something_open() -> None:
    with listening(says(b"HTTP/1.1 403 Forbidden\r\n\r\n")) as refusing:
        case = {"refused": ("wechat", {"url": "https://wechat.test", "proxy": f"http://{refusing.address}"})}
        command = [sys.executable, "-m", "tests.harness.outbound", "threads", "tests.twins.keeps_its_handles"]
        done = subprocess.run(command, cwd=ROOT, input=json.dumps(case), capture_output=True, text=True, timeout=60)
    found = json.loads(done.stdout)
    assert found["after"][0] > found["before"][0], done.stderr
