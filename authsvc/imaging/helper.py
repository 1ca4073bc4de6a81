"""The worker's side of the helper process: starts it, sends pictures, ends it.

The helper is a new interpreter and not a fork, so it has none of the worker's memory, settings, descriptors or
greenlets. The connection is a pair of sockets, so the worker waits for it as for any socket (gevent or threads).
"""

import logging
import os
import signal
import socket
import subprocess
import sys
import weakref
from contextlib import suppress
from pathlib import Path

import authsvc
from authsvc.errors import PicturesBusy, PicturesUnavailable
from authsvc.imaging.essence import Kind, Undecodable
from authsvc.imaging.frames import Frames, Gone, Silent
from authsvc.imaging.limits import WALL_SECONDS

logger = logging.getLogger(__name__)

_PROGRAM = "authsvc.imaging"
_START_SECONDS = 10.0
# More than the helper's own limit, which normally applies first.
_ANSWER_SECONDS = WALL_SECONDS + 2
_LAST_WORDS_SECONDS = 0.5
# How a process ends because of a picture: too much CPU time, or a crashed decoder.
_ENDED_BY_PICTURE = {-signal.SIGXCPU, -signal.SIGSEGV, -signal.SIGBUS, -signal.SIGABRT, -signal.SIGFPE, -signal.SIGILL}


class Lost(Exception):
    """The helper ended for a reason other than the picture, so another helper may be tried."""


class Helper:
    """One helper process, for one caller at a time."""

    def __init__(self) -> None:
        """Start it and wait until it is ready. Raises PicturesBusy or PicturesUnavailable."""
        here, there = socket.socketpair()
        try:
            process = subprocess.Popen(  # noqa: S603 (nothing in it comes from outside)
                # No start-up files, and only the modules that this process has itself.
                [sys.executable, "-S", "-s", "-P", "-m", _PROGRAM],
                stdin=there.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                env={"PYTHONPATH": os.pathsep.join(_module_folders())},
                # A separate process group, so that Ctrl-C does not reach it; not a session, which Linux schedules
                # separately.
                process_group=0,
            )
        except OSError as error:
            here.close()
            raise PicturesUnavailable(f"no helper process: {type(error).__name__}") from None
        finally:
            there.close()
        self._frames = Frames(here)
        self._process = process
        self._owner = os.getpid()
        # Also if this object is garbage-collected, or the interpreter ends.
        self._ending = weakref.finalize(self, _end, process, self._frames, self._owner)
        self._wait_until_ready()

    def _wait_until_ready(self) -> None:
        self._frames.within(_START_SECONDS)
        try:
            self._frames.receive()
        except Silent:
            self.end()
            raise PicturesBusy("the helper did not start in time") from None
        except Gone:
            raise PicturesUnavailable(f"the helper ended during its start: {self._ended_by_itself()}") from None
        except BaseException:
            self.end()
            raise

    @property
    def is_usable(self) -> bool:
        """False if it has ended, and in a process that was forked from the one that started it."""
        return self._ending.alive and self._owner == os.getpid()

    def ask(self, kind: Kind, content: bytes) -> tuple[str, bytes]:
        """Have a picture redrawn; return its extension ("jpg" or "png") and content.

        Raises Undecodable, PicturesBusy or Lost. Afterwards ``is_usable`` tells whether it can be used again.
        """
        self._frames.within(_ANSWER_SECONDS)
        try:
            self._frames.send(kind, content)
            word, drawn, is_last = self._frames.receive()
        except Silent:
            self.end()
            raise PicturesBusy("a picture took too long") from None
        except Gone:
            raise _reason(self._ended_by_itself()) from None
        except BaseException:  # the caller has left, and the next caller would get the answer
            self.end()
            raise
        if is_last:
            self.end()
        if word == "refused":
            raise Undecodable(drawn.decode("ascii", "replace"))
        return word, drawn

    def _ended_by_itself(self) -> int | None:
        """Return how it ended after it has closed the connection, which happens a moment earlier."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_LAST_WORDS_SECONDS)
        return self.end()

    def end(self) -> int | None:
        """End the process if it is running, and reap it; return its exit status, as subprocess reports it."""
        self._ending()
        status: int | None = self._process.returncode
        return status


def _end(process: subprocess.Popen[bytes], frames: Frames, owner: int) -> None:
    frames.close()
    if os.getpid() != owner:
        return
    process.kill()
    process.wait()


def _reason(status: int | None) -> Exception:
    """Return the exception for a helper that ended in the middle of a picture."""
    if status == -signal.SIGALRM:
        return PicturesBusy("a picture took too long")
    if status in _ENDED_BY_PICTURE:
        return Undecodable(f"the decoder ended with {signal.Signals(-status).name}")
    return Lost(f"ended with {status}")


def _module_folders() -> list[str]:
    """Return this process's module path, with authsvc's folder first."""
    folders = [Path(authsvc.__file__).parent.parent, *map(Path, sys.path)]
    return [str(folder.absolute()) for folder in folders]
