"""Many ``flask`` commands at once, each a process with an exit code of its own: ``python -m tests.harness.commands``.

Reads a JSON list of argument lists, and prints one of ``[exit code, output, errors]``. Each command is a fork of one
process that has imported all that commands need: starting Python for each would take a second of work.
"""

import json
import os
import runpy
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path

Ended = tuple[int, str, str]


def run_all(environment: dict[str, str], folder: Path, commands: list[list[str]]) -> list[Ended]:
    """Run ``flask --app wsgi …`` for each list of arguments, all at the same time; folder is where they run."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.harness.commands"],
        env={**environment, "TMPDIR": str(folder)},
        cwd=folder,
        input=json.dumps(commands),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [(code, output, errors) for code, output, errors in json.loads(done.stdout)]


def _become(arguments: list[str], out: Path) -> None:
    """Be the command, to the end of the process."""
    for descriptor, path, flags in (
        (0, Path(os.devnull), os.O_RDONLY),
        (1, out.with_suffix(".out"), os.O_WRONLY | os.O_CREAT),
        (2, out.with_suffix(".err"), os.O_WRONLY | os.O_CREAT),
    ):
        os.dup2(os.open(path, flags, 0o600), descriptor)
    sys.argv = ["flask", "--app", "wsgi", *arguments]
    code: object = 0
    try:
        runpy.run_module("flask", run_name="__main__")
    except SystemExit as end:
        code = end.code or 0
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    # As it stands: tidying up what was imported would take five times as long as the command.
    os._exit(code if isinstance(code, int) else 1)


def _main() -> None:
    commands = json.load(sys.stdin)
    outs = [Path(tempfile.gettempdir(), f"{os.getpid()}-{number}") for number in range(len(commands))]
    children = []
    for arguments, out in zip(commands, outs, strict=True):
        child = os.fork()
        if not child:
            _become(arguments, out)
        children.append(child)
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    texts = [[out.with_suffix(kind).read_text() for kind in (".out", ".err")] for out in outs]
    sys.stdout.write(json.dumps([[code, *said] for code, said in zip(codes, texts, strict=True)]))


if __name__ == "__main__":
    for needed in ("authsvc.app", "authsvc.cli", "flask.cli"):
        __import__(needed)
    _main()
