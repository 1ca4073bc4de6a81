"""Files with secrets: who else on this machine can read them."""

import stat
from collections.abc import Iterator
from pathlib import Path

from authsvc.db.sqlitefile import path_of
from authsvc.doctor.case import Case
from authsvc.doctor.findings import Line, ok, warning, wrong

# They contain nothing secret.
_PUBLIC = {"WX_CA_FILE"}
# How many files of a folder are named in one line.
_NAMED = 3


def private(case: Case) -> Iterator[Line]:
    """Yield every file with a secret that others can read."""
    found = [line for line in (_judged(name, path) for name, path in _secret_files(case)) if line is not None]
    yield from found
    if not found:
        yield ok("no other user can read .env, the files of secrets or the instance folder")


def _secret_files(case: Case) -> Iterator[tuple[str, Path]]:
    yield ".env", Path(".env").absolute()
    yield "INSTANCE_PATH", case.instance_path
    for name, path in case.source.files().items():
        if name not in _PUBLIC:
            yield name, path
    if case.settings_or_none and (database := path_of(case.settings_or_none.database_url)):
        yield "DATABASE_URL", database


def _judged(name: str, path: Path) -> Line | None:
    try:
        found = path.stat()
    except OSError:
        return None  # another check says so
    mode = stat.S_IMODE(found.st_mode)
    if not mode & 0o077:
        return None
    private_mode = "700" if path.is_dir() else "600"
    says = f"{name}: {path} is accessible to other users (mode {mode:04o})"
    todo = f"run: chmod {private_mode} {path}"
    if name == ".env":
        return wrong(says, f"{todo}; if others may have read it, change the secrets in it")
    if name == "INSTANCE_PATH":
        return warning(f"{says}; the files in it are private by themselves", todo)
    if name == "DATABASE_URL":
        return warning(f"{says}; the service corrects that when it starts", todo)
    return warning(f"{says}, which is usual for secrets that a container mounts", f"elsewhere {todo}")
