"""Writers without turns: those of one process wait for a lock, and processes poll for SQLite's with random sleeps."""

from authsvc.app import create_app
from tests.harness.lockless import poll_for_the_lock

poll_for_the_lock()
app = create_app()
