"""Runs the migrations. Needs the context of an app that was built for a command."""

from collections.abc import Iterator
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


def upgrade() -> None:
    """Run the migrations that have not run. Raises NotMigrated."""
    with _told():
        command.upgrade(_config(), "head")


def print_statements() -> None:
    """Print the statements of all migrations, and run none."""
    with _told():
        command.upgrade(_config(), "head", sql=True)


def _config() -> Config:
    config = Config(MIGRATIONS / "alembic.ini")
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except NotMigrated:
        raise
    except CommandError as error:
        raise NotMigrated(str(error)) from error
