"""Kills a writer of the token file again and again, as ``kill -9`` does, and looks at what is left each time.

``python -m tests.tokenstore.killed_writer FOLDER KILLS careful|naive`` prints one JSON line. One process forks all the
writers, because starting Python anew five hundred times would take minutes.
"""

import json
import os
import random
import signal
import sys
import time
from pathlib import Path
from typing import Any

from authsvc.clock import SystemClock
from authsvc.tokenstore.fileshelf import FileShelf
from authsvc.tokenstore.shelf import Record, record_text

APPID = "wx4f4bc4dec97d474b"


def record(number: int) -> Record:
    letter = "abcdefgh"[number % 8]
    return Record(f"70_{letter * 500}", "stable_token", f"{number:016x}", 7000.0)


def write_for_ever(folder: Path, is_careful: bool) -> None:
    shelf = FileShelf(folder, SystemClock())
    number = 0
    while True:
        number += 1
        if not is_careful:
            (folder / f"{APPID}.json").write_text(record_text(APPID, record(number), time.time()))
            continue
        release = shelf.lock(APPID, 1)
        shelf.write(APPID, record(number))
        assert release is not None
        release()


def read_for_ever(folder: Path, found: int, ended: int) -> None:
    """Read until told to stop; report how many reads there were and how many were not a whole record."""
    os.set_blocking(ended, False)
    shelf = FileShelf(folder, SystemClock())
    reads = bad = 0
    while True:
        reads += 1
        bad += not is_whole(shelf)
        try:
            os.read(ended, 1)
            break
        except BlockingIOError:
            continue
    os.write(found, json.dumps([reads, bad]).encode())
    os._exit(0)


def is_whole(shelf: FileShelf) -> bool:
    read = shelf.read(APPID, hurry=False)
    return read is not None and len(set(read.token[3:])) == 1 and len(read.token) == 503


def run(folder: Path, kills: int, is_careful: bool) -> dict[str, Any]:
    shelf = FileShelf(folder, SystemClock())
    release = shelf.lock(APPID, 1)
    assert release is not None
    shelf.write(APPID, record(0))
    release()
    readers = []
    for _ in range(2):
        found, ended = os.pipe(), os.pipe()
        if (pid := os.fork()) == 0:
            read_for_ever(folder, found[1], ended[0])
        readers.append((pid, found[0], ended[1]))
    torn, slowest = 0, 0.0
    for _ in range(kills):
        if (writer := os.fork()) == 0:
            write_for_ever(folder, is_careful)
        time.sleep(random.uniform(0.002, 0.012))
        os.kill(writer, signal.SIGKILL)
        os.waitpid(writer, 0)
        began = time.monotonic()
        taken = shelf.lock(APPID, 5)
        torn += not is_whole(shelf)
        slowest = max(slowest, time.monotonic() - began)
        assert taken is not None
        taken()
    reads = bad = 0
    for pid, found_end, end in readers:
        os.write(end, b"x")
        counted = json.loads(os.read(found_end, 100))
        reads, bad = reads + counted[0], bad + counted[1]
        os.waitpid(pid, 0)
    drafts = len(list(folder.glob(".*draft")))
    FileShelf(folder, SystemClock())
    swept = len(list(folder.glob(".*draft")))
    return {"torn": torn, "reads": reads, "bad": bad, "slowest": slowest, "drafts": drafts, "after_start": swept}


if __name__ == "__main__":
    print(json.dumps(run(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "careful")))
