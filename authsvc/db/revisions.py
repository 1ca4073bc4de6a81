"""Runs the migrations. Needs the context of an app that was built for a command."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util import CommandError

from authsvc.values.operator import Refused

MIGRATIONS = Path(__file__).with_name("migrations")


class NotMigrated(Refused, CommandError):
    """A migration cannot run. The text says what to do; Alembic and flask-migrate pass it on as one of their own."""

    def __init__(self, reason: str, *, will_pass: bool = False) -> None:
        """``will_pass``: the same command will work later."""
        super().__init__(reason)
        self.will_pass = will_pass


def upgrade(to: str, ran: Callable[[str, str], None]) -> None:
    """Run the migrations that have not run, up to a revision or ``head``; tell ``ran`` each one's number and subject.

    Raises NotMigrated.
    """
    with _told():
        command.upgrade(_config(ran), to)


def print_statements(to: str) -> None:
    """Print the statements of all migrations up to a revision or ``head``, and run none. Raises NotMigrated."""
    with _told():
        command.upgrade(_config(), to, sql=True)


def _config(ran: Callable[[str, str], None] | None = None) -> Config:
    config = Config(MIGRATIONS / "alembic.ini")
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    # What env.py tells of each migration.
    config.attributes["ran"] = ran
    return config


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except NotMigrated:
        raise
    except CommandError as error:
        raise NotMigrated(str(error)) from error
