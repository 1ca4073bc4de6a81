"""The helper process, ``python -m authsvc.imaging``: draws what it is sent, one picture after the other.

It is started by ``helper.py`` with nothing but a socket as standard input: no settings, no secrets, no other files.
Before the first picture it gives up what it will not need, so that a decoder gone wrong can neither open a file nor
start a program, nor take more than its share of memory and time. It ends when the socket closes: with its worker,
however that ended.
"""

import io
import os
import resource
import signal
import socket
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import cast, get_args

from PIL import Image

from authsvc.imaging.drawing import draw
from authsvc.imaging.essence import Format, Kind, Undecodable
from authsvc.imaging.frames import MOST_BYTES, Frames, Gone
from authsvc.imaging.limits import CPU_SECONDS, MEMORY_BYTES, WALL_SECONDS
from authsvc.values.pictures import LEAST_WIDTH

# Behind the workers: whoever waits for a picture waits longer than whoever signs in.
_NICE = 10
_STANDARD_FILES = 3


def main() -> None:
    """Serve the socket on standard input until it closes."""
    frames = Frames(socket.socket(fileno=0))
    _give_up_rights()
    frames.send("ready")
    with suppress(Gone):
        while _serve(frames):
            pass
    os._exit(0)


def _serve(frames: Frames) -> bool:
    """Answer one frame; False when this process is not to go on."""
    kind, content, _ = frames.receive()
    assert kind in get_args(Kind)  # noqa: S101 (its only caller is helper.py)
    _limit_the_next_picture()
    is_last = False
    try:
        word, drawn = draw(cast(Kind, kind), content)
    except Undecodable as reason:
        word, drawn = "refused", str(reason).encode()[:200]
    except MemoryError:
        word, drawn, is_last = "refused", b"too much memory", True
    if len(drawn) > MOST_BYTES:
        word, drawn = "refused", b"too large when drawn anew"
    signal.setitimer(signal.ITIMER_REAL, 0)
    frames.send(word, drawn, is_last=is_last)
    return not is_last


def _give_up_rights() -> None:
    _rehearse()
    with suppress(OSError):  # a filter of system calls may have its own opinion
        os.nice(_NICE)
    with suppress(OSError):  # when memory runs out, this process goes and not a worker
        Path("/proc/self/oom_score_adj").write_text("1000")
    _lower(resource.RLIMIT_AS, MEMORY_BYTES)
    _lower(resource.RLIMIT_CORE, 0)
    _lower(resource.RLIMIT_FSIZE, 0)
    _lower(resource.RLIMIT_NPROC, 0)
    _lower(resource.RLIMIT_NOFILE, _STANDARD_FILES)


def _rehearse() -> None:
    """Draw one picture of each kind: what Pillow loads when it is first used is loaded now."""
    for form in get_args(Format):
        for mode in ("RGB", "L") if form == "JPEG" else ("RGB", "P", "RGBA"):
            output = io.BytesIO()
            Image.new(mode, (LEAST_WIDTH, LEAST_WIDTH)).save(output, form)
            for kind in get_args(Kind):
                with suppress(Undecodable):
                    draw(kind, output.getvalue())


def _lower(name: int, limit: int) -> None:
    _, most = resource.getrlimit(name)
    lowered = limit if most == resource.RLIM_INFINITY else min(limit, most)
    try:
        resource.setrlimit(name, (lowered, lowered))
    except (OSError, ValueError):
        if sys.platform == "linux":  # elsewhere, on somebody's laptop, kernels do not have all of them
            raise


def _limit_the_next_picture() -> None:
    """Have the kernel end this process when it takes too long, whether or not somebody watches."""
    _, most = resource.getrlimit(resource.RLIMIT_CPU)
    until = int(time.process_time()) + 1 + CPU_SECONDS
    resource.setrlimit(resource.RLIMIT_CPU, (until if most == resource.RLIM_INFINITY else min(until, most), most))
    signal.setitimer(signal.ITIMER_REAL, WALL_SECONDS)


if __name__ == "__main__":
    main()
