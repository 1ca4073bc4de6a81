"""Where the repository lies, and its migrations."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# The migrations by number, oldest first, and the newest one.
MIGRATIONS = sorted(path.name[:4] for path in (ROOT / "authsvc" / "db" / "migrations" / "versions").glob("[0-9]*.py"))
NEWEST = MIGRATIONS[-1]
