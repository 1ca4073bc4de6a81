"""The verifier and the revocation feed: what is believed, what is kept, and what happens without one."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from authsvc_verifier import FeedUnavailable, TokenRevoked, Verifier
from authsvc_verifier.feed import PATH
from tests.harness.forging import b64
from tests.harness.inprocess import Clock
from tests.harness.publisher import SESSION, Answer, Publisher

CREDENTIAL = "orders." + "c" * 43
OTHER = "B" * 22
BEGAN = int(Clock().now())


def feeding(publisher: Publisher, **options: Any) -> Verifier:
    return publisher.verifier(credential=CREDENTIAL, **options)


def verdict(verifier: Verifier, token: str) -> str:
    try:
        return verifier.verify(token).session_id
    except (TokenRevoked, FeedUnavailable) as refusal:
        return type(refusal).__name__


def test_without_a_credential_nobody_asks_for_the_feed(publisher: Publisher) -> None:
    publisher.feed = {"sessions": SESSION[:11]}
    assert publisher.verifier().verify(publisher.token())
    assert publisher.asked(PATH) == 0


def test_an_ended_session_is_refused_at_the_next_poll(publisher: Publisher, clock: Clock) -> None:
    verifier, token, other = feeding(publisher, poll_seconds=5), publisher.token(), publisher.token(sid=OTHER)
    assert verdict(verifier, token) == SESSION
    publisher.feed = {"sessions": SESSION[:11]}
    clock.moment += 4
    assert verdict(verifier, token) == SESSION
    clock.moment += 1
    assert (verdict(verifier, token), verdict(verifier, other)) == ("TokenRevoked", OTHER)
    publisher.feed = {}  # nothing new: what is known stays known
    clock.moment += 60
    assert verdict(verifier, token) == "TokenRevoked"
    assert publisher.asked(PATH) == 3


def test_a_mark_ends_what_was_issued_up_to_that_second_and_nothing_later(publisher: Publisher, clock: Clock) -> None:
    verifier, now = feeding(publisher), int(clock.now())
    publisher.feed = {"users": {"7": now - 10}}
    for sub, issued_at, expected in [
        ("7", now - 11, "TokenRevoked"),
        ("7", now - 10, "TokenRevoked"),
        ("7", now - 9, SESSION),
        ("77", now - 11, SESSION),
    ]:
        assert verdict(verifier, publisher.token(sub=sub, iat=issued_at)) == expected


def test_all_of_it_is_fetched_anew_every_six_hours_and_what_is_no_longer_in_it_is_forgotten(
    publisher: Publisher, clock: Clock
) -> None:
    verifier, token = feeding(publisher), publisher.token()
    publisher.feed = {"sessions": SESSION[:11], "users": {"8": int(clock.now())}}
    assert verdict(verifier, token) == "TokenRevoked"
    publisher.feed = {}
    while publisher.hits.count(PATH) < 2:
        clock.moment += 300
        last = verdict(verifier, token)
    assert last == verdict(verifier, token) == SESSION
    asked = [hit.removeprefix(PATH) for hit in publisher.hits if hit.startswith(PATH)]
    assert asked[0] == asked[-1] == "" and len(asked) == 73
    cursors = [int(hit.removeprefix("?since=")) for hit in asked[1:-1]]
    assert cursors == sorted(set(cursors))  # it goes on from where it was


def tampered(change: Callable[[Publisher, int | None], dict[str, Any]]) -> Callable[[Publisher, int | None], Answer]:
    def answer(publisher: Publisher, since: int | None) -> Answer:
        publisher.feed = change(publisher, since)
        return publisher.signed_feed(since)

    return answer


def resigned(publisher: Publisher, since: int | None, **header: Any) -> Answer:
    """An honest feed under another header."""
    now = int(publisher.clock.now())
    claims = {
        "iss": "https://login.example.test",
        "iat": now,
        "cursor": now,
        "since": since,
        "sessions": "",
        "users": {},
    }
    return 200, {}, publisher.sign(header.pop("typ", "revocations+jwt"), claims, **header).encode()


def flipped(publisher: Publisher, since: int | None) -> Answer:
    """Another payload under an honest signature."""
    status, headers, body = publisher.signed_feed(since)
    header, _, signature = body.decode().split(".")
    claims = {"iss": "https://login.example.test", "iat": int(publisher.clock.now()), "cursor": 0, "since": None}
    payload = b64(json.dumps({**claims, "sessions": "", "users": {}}).encode())
    return status, headers, f"{header}.{payload}.{signature}".encode()


TAMPERED: dict[str, Callable[[Publisher, int | None], Answer]] = {
    "another payload": flipped,
    "unsigned": lambda p, since: (200, {}, p.signed_feed(since)[2].rpartition(b".")[0] + b"."),
    "an access token": lambda p, _: (200, {}, p.token().encode()),
    "typ at+jwt": lambda p, since: resigned(p, since, typ="at+jwt"),
    "typ JWT": lambda p, since: resigned(p, since, typ="JWT"),
    "alg none": lambda p, since: resigned(p, since, alg="none"),
    "crit": lambda p, since: resigned(p, since, crit=["exp"]),
    "an unknown key": lambda p, since: resigned(p, since, kid="k" * 43),
    "of another issuer": tampered(lambda p, since: {"iss": "https://login.example.org"}),
    "for another cursor": tampered(lambda p, since: {"since": 5}),
    "signed a day ago": tampered(lambda p, since: {"iat": int(p.clock.now()) - 86400, "since": None}),
    "older than the one that is held": tampered(lambda p, since: {"iat": BEGAN - 61, "since": None}),
    "signed tomorrow": tampered(lambda p, since: {"iat": int(p.clock.now()) + 86400, "since": None}),
    "without a time": tampered(lambda p, since: {"iat": None, "since": None}),
    "without a cursor": tampered(lambda p, since: {"cursor": None, "since": None}),
    "sessions of half a prefix": tampered(lambda p, since: {"sessions": "x" * 5, "since": None}),
    "sessions in a list": tampered(lambda p, since: {"sessions": ["x"], "since": None}),
    "users in a list": tampered(lambda p, since: {"users": [7], "since": None}),
    "moments in words": tampered(lambda p, since: {"users": {"7": "now"}, "since": None}),
    "a redirect": lambda p, _: (302, {"Location": f"{p.url}/elsewhere"}, b""),
    "refused": lambda p, _: (401, {}, b""),
    "nothing": lambda p, _: (200, {}, b""),
    "not even text": lambda p, _: (200, {}, b"\xff\xfe"),
}


@pytest.mark.parametrize("answer", TAMPERED.values(), ids=TAMPERED.keys())
def test_a_feed_that_is_not_good_is_refused_as_a_whole_and_the_old_one_stays(
    answer: Callable[[Publisher, int | None], Answer], publisher: Publisher, clock: Clock
) -> None:
    publisher.answers["/elsewhere"] = publisher.signed_feed
    verifier, ended, other = feeding(publisher), publisher.token(), publisher.token(sid=OTHER)
    publisher.feed = {"sessions": SESSION[:11]}
    assert verdict(verifier, ended) == "TokenRevoked"
    publisher.feed, honest = {}, publisher.answers[PATH]
    publisher.answers[PATH] = lambda since: answer(publisher, since)
    for _ in range(3):
        clock.moment += 300
        assert (verdict(verifier, ended), verdict(verifier, other)) == ("TokenRevoked", OTHER)
    clock.moment += 1  # and nothing of it made the feed look newer
    assert verdict(verifier, other) == "FeedUnavailable"
    publisher.feed, publisher.answers[PATH] = {}, honest
    clock.moment += 5
    assert verdict(verifier, other) == OTHER
    assert publisher.asked("/elsewhere") == 0


def away(_since: int | None) -> Answer:
    return 503, {}, b""


def test_a_feed_that_stays_away_lets_nobody_in_after_a_while(
    publisher: Publisher, clock: Clock, figures: Callable[[str], None]
) -> None:
    verifier, token = feeding(publisher), publisher.token()
    assert verdict(verifier, token) == SESSION
    publisher.answers[PATH] = away
    away_since = clock.moment
    while verdict(verifier, token) == SESSION:
        clock.moment += 1
    figures(f"revocation feed away: tokens verified for another {clock.moment - away_since - 1:.0f} s, then none")
    assert clock.moment - away_since == 901
    publisher.answers[PATH] = publisher.signed_feed
    clock.moment += 5
    assert verdict(verifier, token) == SESSION


def test_from_the_beginning_nobody_gets_in_without_a_feed(publisher: Publisher, clock: Clock) -> None:
    publisher.answers[PATH] = away
    assert verdict(feeding(publisher), publisher.token()) == "FeedUnavailable"


def test_who_says_so_accepts_a_feed_of_any_age_and_what_it_knew_stays_refused(
    publisher: Publisher, clock: Clock
) -> None:
    verifier = feeding(publisher, accept_stale_feed=True, max_feed_age=10)
    publisher.feed = {"sessions": SESSION[:11]}
    assert verdict(verifier, publisher.token()) == "TokenRevoked"
    publisher.answers[PATH] = away
    clock.moment += 3600
    assert verdict(verifier, publisher.token()) == "TokenRevoked"
    assert verdict(verifier, publisher.token(sid=OTHER)) == OTHER
    assert verdict(feeding(publisher, accept_stale_feed=True), publisher.token()) == SESSION


def test_unchanged_is_said_without_a_body_but_does_not_make_the_feed_newer(publisher: Publisher, clock: Clock) -> None:
    verifier, token = feeding(publisher), publisher.token()
    assert verdict(verifier, token) == SESSION
    publisher.answers[PATH] = lambda since: (304, {"ETag": 'W/"x"'}, b"")
    clock.moment += 900
    assert verdict(verifier, token) == SESSION
    clock.moment += 1
    assert verdict(verifier, token) == "FeedUnavailable"
