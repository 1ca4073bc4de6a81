"""Many at one moment, round after round, over four workers; and broken twins that are seen to lose."""

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import create_engine

from tests.harness.crowd import Answer, Crowd, Request
from tests.harness.service import Service
from tests.harness.simulator import Simulator

DATABASES = ("sqlite", "mysql")
# Many services at once share one MariaDB; and half of a race's time would be lines at DEBUG.
_SETTINGS = {"DATABASE_POOL_SIZE": "4", "LOG_LEVEL": "INFO", "ACCESS_LOG": "0"}


def four_workers(
    start: Callable[..., Service],
    name: str,
    database: str,
    module: str = "wsgi:app",
    arguments: tuple[str, ...] = (),
    **settings: str,
) -> Service:
    """A service for races, by one of the fixtures that start services."""
    return start(
        f"{name}-{database}",
        database=database,
        module=module,
        arguments=arguments,
        workers=4,
        settings={**_SETTINGS, **settings},
    )


class Race:
    """A service, the crowd that falls upon it, and the seed of all chance in it, which failures and figures name."""

    def __init__(
        self, service: Service, simulator: Simulator, crowd: Crowd, figures: Callable[[str], None], seed: int
    ) -> None:
        self.service = service
        self.simulator = simulator
        self.seed = seed
        self.chance = random.Random(seed)
        self.slowest = 0.0
        self._crowd = crowd
        self._figures = figures

    def send(self, requests: Sequence[Request], kept: int | None = None) -> list[Answer]:
        """Send all of them at one moment. The leak scan reads the answers: all, or as many as are ``kept``."""
        answers = self._crowd.send(requests)
        self.service.keep_all(answers[:kept])
        self.slowest = max([self.slowest, *(answer.seconds for answer in answers)])
        return answers

    def hold(self, play: "Play", rounds: int) -> None:
        """Play rounds, each with a name of its own for its people. The first with anything wrong fails the test."""
        for number in range(rounds):
            found = play(self, f"{self.seed}-{number}")
            assert found == [], f"seed {self.seed}, round {number}: {found}"

    def catch(self, play: "Play", *faults: str, rounds: int = 20) -> str:
        """Play rounds on a broken twin until something is wrong that begins with one of ``faults``; return what.

        A twin that is not found out fails the test: its check checks nothing.
        """
        for number in range(rounds):
            found = play(self, f"{self.seed}-{number}")
            if any(problem.startswith(faults) for problem in found):
                often = [f"{times} × {problem}" for problem, times in Counter(found).items()]
                return f"round {number}: {'; '.join(often)}"
        pytest.fail(f"seed {self.seed}: {rounds} rounds of a broken twin, and nothing of {faults}")

    def note(self, what: str, figure: str) -> None:
        """Print a figure when the run ends."""
        self._figures(f"{what}, {self.service.dialect}, seed {self.seed}: {figure}")


# A round: it gets a name that no other has, and returns what is wrong.
Play = Callable[[Race, str], list[str]]


def violations(expected: Mapping[str, tuple[Any, Any]]) -> list[str]:
    """Of what was seen and what is right, by name: where they differ."""
    return [f"{name}: {seen} instead of {right}" for name, (seen, right) in expected.items() if seen != right]


def drop_unique_key(service: Service, table: str, key: str, *, indexed: str | None = None) -> None:
    """Leave a twin to its own devices. ``indexed`` is a column that MySQL wants an index of, for its foreign key."""
    engine = create_engine(service.database_url)
    with engine.begin() as connection:
        operations = Operations(MigrationContext.configure(connection))
        if indexed:
            operations.create_index(f"ix_{table}_{indexed}", table, [indexed])
        with operations.batch_alter_table(table) as altered:
            altered.drop_constraint(key, type_="unique")
    engine.dispose()
