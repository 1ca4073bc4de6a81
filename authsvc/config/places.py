"""The settings that name files and folders, which must exist and be readable or writable before anything starts."""

import os
from pathlib import Path

from cryptography import x509

from authsvc.config.source import Source

# Entries of the instance folder that the service writes, except for the database (db/sqlitefile.py).
_FOLDERS = ("access_token", "avatars", "qrcodes", "metrics")
_FILES = ("ratelimits",)


def instance(source: Source) -> Path:
    """Return the folder of runtime state. It need not exist yet, but must be writable."""
    folder = Path(source.text("INSTANCE_PATH", "instance") or "instance").absolute()
    there = next((place for place in (folder, *folder.parents) if place.exists()), folder)
    if not there.is_dir():
        source.complain("INSTANCE_PATH is not a folder")
    elif not os.access(there, os.W_OK | os.X_OK):
        source.complain("INSTANCE_PATH cannot be written to: its disk is read-only, or another user owns it")
    else:
        for name in (*_FOLDERS, *_FILES):
            if fault := _fault(folder / name, is_folder=name in _FOLDERS):
                source.complain(f"INSTANCE_PATH: {name} in this folder {fault}")
    return folder


def _fault(place: Path, *, is_folder: bool) -> str | None:
    if not place.exists():
        return None
    if place.is_dir() != is_folder:
        return "is not a folder" if is_folder else "is a folder"
    rights = os.R_OK | os.W_OK | (os.X_OK if is_folder else 0)
    return None if os.access(place, rights) else "cannot be written to: another user owns it"


def authorities(source: Source, name: str) -> Path | None:
    """Return the PEM file of certificate authorities that a setting names, or None if it is absent."""
    text = source.text(name)
    if text is None:
        return None
    path = Path(text).absolute()
    if not holds_certificates(path):
        source.complain(f"{name} does not name a readable PEM file of certificates")
    return path


def holds_certificates(path: Path) -> bool:
    """True for a PEM file with at least one certificate, and no damaged one."""
    try:
        return bool(x509.load_pem_x509_certificates(path.read_bytes()))
    except (OSError, ValueError):
        return False
