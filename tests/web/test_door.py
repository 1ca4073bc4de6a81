"""What a request brings in with it, and whose address it is."""

from typing import Any

import pytest

from authsvc.web.door import UNKNOWN, door

UNREAD = ("HTTP_RANGE", "HTTP_IF_RANGE", "HTTP_IF_MATCH", "HTTP_IF_MODIFIED_SINCE", "HTTP_IF_UNMODIFIED_SINCE")


def let_in(trusted_proxies: int, **environ: str) -> dict[str, Any]:
    """What the app behind the door gets."""
    seen: dict[str, Any] = {}

    def app(environ: dict[str, Any], _: Any) -> list[bytes]:
        seen.update(environ)
        return []

    door(app, trusted_proxies)({"REMOTE_ADDR": "192.0.2.1", **environ}, None)
    return seen


@pytest.mark.parametrize(
    "trusted, header, known",
    [
        (0, "203.0.113.1", "192.0.2.1"),
        (1, "203.0.113.1", "203.0.113.1"),
        (1, "203.0.113.9,203.0.113.1:80", "203.0.113.1"),
        (1, "203.0.113.1, ", UNKNOWN),
        (1, "", UNKNOWN),
        (2, "203.0.113.9, 203.0.113.1, 10.0.0.1", "203.0.113.1"),
        (2, "203.0.113.1, unknown", "203.0.113.1"),
        (2, "10.0.0.1", UNKNOWN),
        (3, "203.0.113.1,10.0.0.1,10.0.0.2", "203.0.113.1"),
        (3, "10.0.0.1,10.0.0.2", UNKNOWN),
        (1, "," * 60_000 + "203.0.113.1", "203.0.113.1"),
    ],
)
def test_as_many_entries_are_believed_as_there_are_proxies(trusted: int, header: str, known: str) -> None:
    assert let_in(trusted, HTTP_X_FORWARDED_FOR=header)["REMOTE_ADDR"] == known


@pytest.mark.parametrize("peer, known", {"": UNKNOWN, "::ffff:192.0.2.7": "192.0.2.7", "/run/socket": UNKNOWN}.items())
def test_a_peer_is_read_like_a_proxys_word(peer: str, known: str) -> None:
    assert let_in(0, REMOTE_ADDR=peer)["REMOTE_ADDR"] == known


@pytest.mark.parametrize("trusted", [0, 1])
def test_headers_that_nobody_reads_stay_outside(trusted: int) -> None:
    got = let_in(trusted, **dict.fromkeys(UNREAD, "x"), HTTP_IF_NONE_MATCH="x", HTTP_X_REQUEST_ID="x")
    assert not set(UNREAD) & set(got) and got["HTTP_IF_NONE_MATCH"] == "x"
    assert ("HTTP_X_REQUEST_ID" in got) is bool(trusted)
