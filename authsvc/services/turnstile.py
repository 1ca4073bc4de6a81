"""A turnstile in front of logins, so that a crowd of them keeps nobody else waiting."""

import threading
import time

from authsvc.errors import ServiceBusy

# CPU seconds that one turn of the event loop may take before the next login is held back.
_LONG_TURN = 0.005
# A login that has waited this long is refused: its code and its caller's patience run out.
_WAIT_SECONDS = 4.0


class Turnstile:
    """Lets logins begin one by one, each when this process has caught up with what it has begun.

    In a gevent worker, everything that is ready runs before the next look at the network, so five hundred logins that
    become ready together keep a health check waiting for as long as they all take. How much lies ahead shows in the CPU
    time that passes during ``sleep(0)``. Logins wait here, where waiting is cheap, instead of becoming ready together.
    """

    def __init__(self) -> None:
        self._gate = threading.Lock()

    def enter(self) -> None:
        """Return when it is this login's turn; raises ServiceBusy when that takes four seconds."""
        give_up = time.monotonic() + _WAIT_SECONDS
        if not self._gate.acquire(timeout=_WAIT_SECONDS):
            raise ServiceBusy("too many logins wait for their turn")
        try:
            while _turn_of_the_loop() > _LONG_TURN and time.monotonic() < give_up:
                pass
        finally:
            self._gate.release()


def _turn_of_the_loop() -> float:
    """Let everything else run that is ready, and return the CPU seconds that it took."""
    begun = time.thread_time()
    time.sleep(0)
    return time.thread_time() - begun
