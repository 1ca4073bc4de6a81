"""What the store promises on every shelf."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from authsvc import errors as e
from authsvc.tokenstore.store import EARLY_SECONDS, LOOK_SECONDS, AccessTokenStore
from tests.tokenstore.conftest import APP, Clock, WeChat

NewStore = Callable[[], AccessTokenStore]


def at_once(count: int, work: Callable[[], str]) -> list[str]:
    ready = threading.Barrier(count)

    def run() -> str:
        ready.wait()
        return work()

    with ThreadPoolExecutor(count) as pool:
        return [future.result() for future in [pool.submit(run) for _ in range(count)]]


def test_a_token_is_fetched_once_and_found_by_other_processes(new_store: NewStore, wechat: WeChat) -> None:
    first = new_store().get(APP)
    assert {new_store().get(APP) for _ in range(3)} == {first}
    assert wechat.calls == 1


def test_fifty_threads_of_a_cold_process_share_one_fetch(store: AccessTokenStore, wechat: WeChat) -> None:
    wechat.takes = 0.2
    assert len(set(at_once(50, lambda: store.get(APP)))) == 1
    assert wechat.calls == 1


def test_in_the_last_five_minutes_one_caller_renews_and_the_others_do_not_wait(
    store: AccessTokenStore, wechat: WeChat, clock: Clock
) -> None:
    old = store.get(APP)
    clock.pass_(7200 - EARLY_SECONDS + 1)
    wechat.takes = 0.5
    with ThreadPoolExecutor(1) as pool:
        renewing = pool.submit(store.get, APP)
        time.sleep(0.1)
        began = time.monotonic()
        assert {store.get(APP) for _ in range(20)} == {old}
        assert time.monotonic() - began < 0.3
        assert renewing.result() != old
    assert wechat.calls == 2


def test_a_failing_renewal_hands_out_the_old_token_until_its_end(
    store: AccessTokenStore, wechat: WeChat, clock: Clock
) -> None:
    old = store.get(APP)
    clock.pass_(7200 - EARLY_SECONDS + 1)
    wechat.fails_with = e.WeChatNoAnswer("silence")
    assert store.get(APP) == old
    clock.pass_(EARLY_SECONDS - 2)
    assert store.get(APP) == old
    clock.pass_(2)
    with pytest.raises(e.AccessTokenUnavailable):
        store.get(APP)


def test_a_rejected_token_is_replaced_once_for_all_who_report_it(
    store: AccessTokenStore, new_store: NewStore, wechat: WeChat
) -> None:
    dead = store.get(APP)
    other = new_store()
    assert other.get(APP) == dead
    wechat.kill()
    wechat.takes = 0.1
    replaced = {*at_once(50, lambda: store.replace(APP, dead)), *at_once(20, lambda: other.replace(APP, dead))}
    assert len(replaced) == 1 and replaced != {dead}
    assert wechat.calls == 2
    assert {store.get(APP), other.get(APP)} == replaced


def test_a_late_rejection_of_an_older_token_does_not_throw_away_the_new_one(
    store: AccessTokenStore, wechat: WeChat
) -> None:
    old = store.get(APP)
    wechat.kill()
    new = store.replace(APP, old)
    assert store.replace(APP, old) == new
    assert store.replace(APP, "70_never-heard-of-it") == new
    assert wechat.calls == 2


def test_a_token_replaced_elsewhere_is_noticed_within_a_second(
    store: AccessTokenStore, new_store: NewStore, wechat: WeChat, clock: Clock
) -> None:
    old = store.get(APP)
    wechat.kill()
    new = new_store().replace(APP, old)
    clock.pass_(LOOK_SECONDS)
    assert store.get(APP) == new


def test_a_token_that_is_rejected_for_ever_costs_two_fetches_a_minute(
    store: AccessTokenStore, wechat: WeChat, clock: Clock
) -> None:
    token = store.get(APP)
    for _ in range(20):
        token = store.replace(APP, token)
        clock.pass_(2)
    assert wechat.calls == 3
    clock.pass_(60)
    store.replace(APP, token)
    assert wechat.calls == 4


@pytest.mark.parametrize(
    ("cause", "told", "seconds"),
    [
        (e.WeChatMisconfigured("bad secret", 40125, "invalid appsecret"), e.WeChatMisconfigured, 30),
        (e.WeChatQuotaExhausted("quota", 45009), e.WeChatQuotaExhausted, 60),
        (e.WeChatRateLimited("minute", 45011), e.WeChatQuotaExhausted, 60),
        (e.WeChatNoAnswer("silence"), e.AccessTokenUnavailable, 3),
        (e.WeChatUnreachable("refused"), e.AccessTokenUnavailable, 3),
        (e.WeChatBusy("-1", -1), e.AccessTokenUnavailable, 3),
        (e.WeChatUnknownError("?", 12345), e.AccessTokenUnavailable, 3),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_a_failure_is_remembered_by_all_processes_for_a_while(
    new_store: NewStore,
    wechat: WeChat,
    clock: Clock,
    cause: Exception,
    told: type[Exception],
    seconds: float,
) -> None:
    wechat.fails_with = cause
    stores = [new_store() for _ in range(3)]
    for store in stores * 5:
        with pytest.raises(told) as caught:
            store.get(APP)
        assert type(caught.value) is told
        assert caught.value.errcode == cause.errcode  # type: ignore[attr-defined]
    assert wechat.calls == 1
    clock.pass_(seconds + 0.1)
    with pytest.raises(told):
        stores[0].get(APP)
    assert wechat.calls == 2


def test_waiters_of_a_failed_fetch_do_not_repeat_it(store: AccessTokenStore, wechat: WeChat) -> None:
    wechat.takes, wechat.fails_with = 0.2, e.WeChatNoAnswer("silence")

    def attempt() -> str:
        try:
            return store.get(APP)
        except e.AccessTokenUnavailable as error:
            return error.error

    assert set(at_once(50, attempt)) == {"wechat_unavailable"}
    assert wechat.calls == 1


def test_our_own_overload_is_not_remembered_as_wechats_failure(store: AccessTokenStore, wechat: WeChat) -> None:
    wechat.fails_with = e.WeChatOverloaded("no place")
    with pytest.raises(e.AccessTokenUnavailable):
        store.get(APP)
    wechat.fails_with = None
    assert store.get(APP)


def test_an_operator_need_not_wait_for_the_memory_of_a_failure(
    store: AccessTokenStore, new_store: NewStore, wechat: WeChat
) -> None:
    wechat.fails_with = e.WeChatMisconfigured("bad secret", 40125)
    with pytest.raises(e.WeChatMisconfigured):
        store.get(APP)
    wechat.fails_with = None
    new_store().refresh(APP)
    assert store.get(APP)
    assert store.peek(APP).failure is None


def test_peek_tells_age_expiry_source_and_failure_but_no_token(
    store: AccessTokenStore, new_store: NewStore, wechat: WeChat, clock: Clock
) -> None:
    assert store.peek(APP).age is None
    token = store.get(APP)
    clock.pass_(100)
    status = store.peek(APP)
    assert (status.age, status.expires_in, status.source) == (100, 7100, "stable_token")
    assert token not in repr(status) and token not in repr(store.lend(APP))
    wechat.fails_with = e.WeChatMisconfigured("/cgi-bin/stable_token: errcode 40125", 40125)
    with pytest.raises(e.WeChatMisconfigured):
        store.refresh(APP)
    assert "40125" in str(new_store().peek(APP).failure)


def test_a_lent_token_comes_with_what_is_left_of_its_life(store: AccessTokenStore, clock: Clock) -> None:
    store.get(APP)
    clock.pass_(1000)
    lent = store.lend(APP)
    assert (lent.token, 6199 <= lent.expires_in <= 6200) == (store.get(APP), True)


def test_each_app_has_its_own_token(new_store: NewStore, wechat: WeChat) -> None:
    store = new_store()
    store.get(APP)
    wechat.kill()
    other = type(APP)("wxba5fad812f8e6fb9", "another-secret-of-no-use", "other")
    assert store.get(other) != store.get(APP)
    assert wechat.calls == 2


@pytest.mark.parametrize("jump", [-86400, -3600, -600, 600, 3600, 86400])
def test_setting_the_wall_clock_causes_one_fetch_at_most(
    new_store: NewStore, wechat: WeChat, clock: Clock, jump: float
) -> None:
    stores = [new_store() for _ in range(4)]
    tokens = {store.get(APP) for store in stores}
    clock.set_by = jump
    stores += [new_store() for _ in range(4)]  # some processes start after the jump
    for _ in range(30):
        clock.pass_(LOOK_SECONDS)
        tokens |= {store.get(APP) for store in stores}
    assert wechat.calls <= 2
    assert len(tokens) == 1


def test_a_day_of_traffic_takes_twelve_fetches(new_store: NewStore, wechat: WeChat, clock: Clock) -> None:
    stores = [new_store() for _ in range(2)]
    stores[0].get(APP)
    wechat.calls = 0
    for _ in range(86400 // 30):
        clock.pass_(30)
        for store in stores:
            store.get(APP)
    assert wechat.calls <= 12
