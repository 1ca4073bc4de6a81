"""The Redis store: leases, strangers' values, and a Redis that is slow or away."""

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from authsvc.tokenstore import redisshelf as room
from authsvc.tokenstore.redisshelf import RedisShelf
from authsvc.tokenstore.shelf import Record, ShelfUnavailable
from authsvc.tokenstore.store import AccessTokenStore
from tests.harness.redisserver import RedisServer
from tests.tokenstore.conftest import APP, Clock, WeChat

KEY = f"authsvc:{{{APP.appid}}}:access_token"
RECORD = Record("70_" + "a" * 100, "stable_token", "0" * 16, 7200.0)


@pytest.fixture
def server(redis_server: RedisServer) -> Iterator[RedisServer]:
    redis_server.client.flushall()
    yield redis_server
    redis_server.thaw()


@pytest.fixture
def shelf(server: RedisServer, clock: Clock) -> RedisShelf:
    return RedisShelf(server.url, clock)


@pytest.fixture
def new_store(server: RedisServer, wechat: WeChat, clock: Clock) -> Callable[[], AccessTokenStore]:
    return lambda: AccessTokenStore(RedisShelf(server.url, clock), wechat.fetch, clock)


def test_keys_tell_the_appid_and_nothing_secret(
    server: RedisServer, new_store: Callable[[], AccessTokenStore], wechat: WeChat
) -> None:
    token = new_store().get(APP)
    names = b" ".join(server.client.keys("*")).decode()
    assert KEY in names and token not in names and APP.secret not in names
    assert APP.secret.encode() not in (server.client.get(KEY) or b"")
    assert 7190 < server.client.ttl(KEY) <= 7200


def test_a_lease_is_renewed_while_its_holder_lives_and_given_back_at_once(
    server: RedisServer, shelf: RedisShelf, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "LEASE_SECONDS", 0.3)
    other = RedisShelf(server.url, clock)
    release = shelf.lock(APP.appid, 0)
    assert release is not None
    assert other.lock(APP.appid, 0.8) is None
    release()
    again = other.lock(APP.appid, 0)
    assert again is not None
    again()


def test_a_holder_past_its_lease_neither_writes_nor_unlocks(
    server: RedisServer, shelf: RedisShelf, clock: Clock
) -> None:
    late_release = shelf.lock(APP.appid, 0)
    server.client.delete(f"authsvc:{{{APP.appid}}}:lock")  # it ran out
    other = RedisShelf(server.url, clock)
    release = other.lock(APP.appid, 0)
    assert late_release is not None and release is not None
    other.write(APP.appid, RECORD)
    with pytest.raises(ShelfUnavailable):
        shelf.write(APP.appid, Record("70_stale" + "b" * 100, "stable_token", "1" * 16, 7200.0))
    late_release()
    assert shelf.lock(APP.appid, 0) is None
    found = shelf.read(APP.appid, hurry=False)
    assert found is not None and found.token == RECORD.token
    release()


def test_nothing_is_written_without_the_lock(shelf: RedisShelf) -> None:
    with pytest.raises(ShelfUnavailable):
        shelf.write(APP.appid, RECORD)


@pytest.mark.parametrize("value", [b"", b"garbage", b"{}", b'{"appid":"wxba5fad812f8e6fb9"}', b"x" * 1_000_000])
def test_what_is_not_ours_is_replaced(
    server: RedisServer, new_store: Callable[[], AccessTokenStore], wechat: WeChat, value: bytes
) -> None:
    server.client.set(KEY, value)
    token = new_store().get(APP)
    assert new_store().get(APP) == token and wechat.calls == 1


def test_a_record_without_an_end_is_not_believed(
    server: RedisServer, new_store: Callable[[], AccessTokenStore], wechat: WeChat
) -> None:
    new_store().get(APP)
    server.client.persist(KEY)
    new_store().get(APP)
    assert wechat.calls == 2


def test_a_key_of_another_type_leaves_the_store_in_memory(
    server: RedisServer, new_store: Callable[[], AccessTokenStore], wechat: WeChat
) -> None:
    server.client.rpush(KEY, "a", "b")
    store = new_store()
    assert store.get(APP) == store.get(APP)
    assert wechat.calls == 1


def test_no_redis_at_all_costs_one_fetch_per_process_and_no_wait(wechat: WeChat, clock: Clock) -> None:
    store = AccessTokenStore(RedisShelf("redis://127.0.0.1:1/0", clock), wechat.fetch, clock)
    began = time.monotonic()
    tokens = {store.get(APP)}
    for _ in range(100):
        clock.pass_(1.0)
        tokens.add(store.get(APP))
    assert (len(tokens), wechat.calls) == (1, 1)
    assert time.monotonic() - began < 1


def test_a_redis_that_does_not_answer_delays_a_caller_with_a_token_by_a_tenth_of_a_second(
    server: RedisServer, new_store: Callable[[], AccessTokenStore], clock: Clock
) -> None:
    store = new_store()
    token = store.get(APP)
    server.freeze()
    delays = []
    for _ in range(20):
        clock.pass_(1.0)
        began = time.monotonic()
        assert store.get(APP) == token
        delays.append(time.monotonic() - began)
    assert max(delays) < 0.3 and sorted(delays)[10] < 0.01


def test_a_redis_that_comes_back_empty_is_given_the_token_again(
    server: RedisServer, new_store: Callable[[], AccessTokenStore], wechat: WeChat, clock: Clock
) -> None:
    store = new_store()
    token = store.get(APP)
    server.client.flushall()
    clock.pass_(1.0)
    assert store.get(APP) == token
    assert new_store().get(APP) == token
    assert wechat.calls == 1


def test_three_views_of_fifty_threads_share_one_fetch(
    new_store: Callable[[], AccessTokenStore], wechat: WeChat
) -> None:
    wechat.takes = 0.2
    stores = [new_store() for _ in range(3)]
    found: list[str] = []
    threads = [threading.Thread(target=lambda s=s: found.append(s.get(APP))) for s in stores for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(found), len(set(found)), wechat.calls) == (150, 1, 1)
