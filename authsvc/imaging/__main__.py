"""The helper process, ``python -m authsvc.imaging``: redraws the pictures it receives, one after the other.

``helper.py`` starts it with only a socket as standard input: no settings, no secrets, no other files. Before the first
picture it gives up all rights that it does not need, so a compromised decoder can neither open a file nor start a
program, nor use more than its share of memory and time. It ends when the socket closes, that is, with its worker.
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

# Lower priority than the workers: sign-ins are more urgent than pictures.
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
    """Answer one frame; False if this process must end."""
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
        word, drawn = "refused", b"too large after redrawing"
    signal.setitimer(signal.ITIMER_REAL, 0)
    frames.send(word, drawn, is_last=is_last)
    return not is_last


def _give_up_rights() -> None:
    _rehearse()
    with suppress(OSError):  # a system call filter may refuse it
        os.nice(_NICE)
    with suppress(OSError):  # if memory runs out, the kernel kills this process and not a worker
        Path("/proc/self/oom_score_adj").write_text("1000")
    _lower(resource.RLIMIT_AS, MEMORY_BYTES)
    _lower(resource.RLIMIT_CORE, 0)
    _lower(resource.RLIMIT_FSIZE, 0)
    _lower(resource.RLIMIT_NPROC, 0)
    _lower(resource.RLIMIT_NOFILE, _STANDARD_FILES)


def _rehearse() -> None:
    """Draw one picture of each kind, so that Pillow loads everything now that it loads on first use."""
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
        if sys.platform == "linux":  # other kernels, as on a laptop, do not have all of them
            raise


def _limit_the_next_picture() -> None:
    """Have the kernel kill this process if it takes too long, even if no worker is watching."""
    _, most = resource.getrlimit(resource.RLIMIT_CPU)
    until = int(time.process_time()) + 1 + CPU_SECONDS
    resource.setrlimit(resource.RLIMIT_CPU, (until if most == resource.RLIM_INFINITY else min(until, most), most))
    signal.setitimer(signal.ITIMER_REAL, WALL_SECONDS)


if __name__ == "__main__":
    main()
