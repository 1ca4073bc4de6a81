"""The turnstile in front of logins, under threads and under gevent."""

import subprocess
import sys
import threading

import pytest

from authsvc.errors import ServiceBusy
from authsvc.services import turnstile
from authsvc.services.turnstile import Turnstile

# A hundred logins that become ready together, and an onlooker that wants to run in between. gevent cannot be patched
# into this process, so they run in one of their own. Prints the most logins that began between two looks.
CROWD = """
from gevent import monkey
monkey.patch_all()
import sys
import time
import gevent
from authsvc.services.turnstile import Turnstile

turnstile = Turnstile() if sys.argv[1] == "with" else None
looks, begun = 0, []

def onlooker():
    global looks
    while len(begun) < 100:
        looks += 1
        time.sleep(0)

def login():
    if turnstile:
        turnstile.enter()
    begun.append(looks)
    end = time.thread_time() + 0.002
    while time.thread_time() < end:
        pass

gevent.joinall([gevent.spawn(onlooker), *(gevent.spawn(login) for _ in range(100))])
print(max(map(begun.count, begun)))
"""


def _most_at_once(how: str) -> int:
    command = [sys.executable, "-W", "ignore", "-c", CROWD, how]
    return int(subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout)


def test_logins_that_are_ready_together_begin_one_by_one() -> None:
    assert _most_at_once("with") <= 2
    assert _most_at_once("without") > 20


def test_threads_pass_without_waiting_for_each_other_to_end() -> None:
    gate, inside = Turnstile(), threading.Barrier(8)

    def login() -> None:
        gate.enter()
        inside.wait(5)  # breaks unless all eight are inside together

    threads = [threading.Thread(target=login) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not inside.broken


def test_whoever_waits_too_long_is_told_to_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turnstile, "_WAIT_SECONDS", 0.01)
    gate = Turnstile()
    gate._gate.acquire()
    with pytest.raises(ServiceBusy):
        gate.enter()
