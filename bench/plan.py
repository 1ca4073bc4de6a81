"""What a run of bench/compare consists of, and how long each part may take."""

from collections.abc import Iterator
from dataclasses import dataclass

from bench.measure import Case

DATABASES = ("sqlite", "mariadb")
IN_FLIGHT = (1, 16, 200, 1000)
LATENCIES = (0, 50, 100)
CROWD = Case(100, 1000)
# Enough that nobody signs in often: what somebody's many sessions cost is no part of an ordinary login.
PEOPLE = 20_000
SIZES = (1_000, 1_000_000, 10_000_000)
ENDPOINTS = (
    "refresh",
    "profile",
    "phone",
    "keys",
    "picture kept",
    "picture made",
    "introspection",
    "verify",
)


@dataclass(frozen=True)
class Planned:
    """A case on a database, so many times for each server, each time for so many seconds."""

    case: Case
    database: str
    rounds: int
    seconds: int


@dataclass(frozen=True)
class Form:
    """How thorough a run is. ``minutes`` bound each group; what does not fit is left out, and the report says so."""

    minutes: dict[str, float]
    rounds: int
    seconds: int
    curve_rounds: int
    sizes: tuple[int, ...] = SIZES


GROUPS = ("login", "endpoints", "beside", "users")
FULL = Form({"login": 62, "endpoints": 7, "beside": 5, "users": 36}, rounds=5, seconds=4, curve_rounds=2)
SHORT = Form({"login": 4.5}, rounds=1, seconds=2, curve_rounds=0)
# Crowds are measured for twice as long, and vary less.
_ROUNDS_OF_CROWDS = 3

TABLE = (
    (Case(0, 16), "sqlite"),
    (Case(0, 16), "mariadb"),
    (Case(0, 1), "mariadb"),
    (CROWD, "sqlite"),
    (CROWD, "mariadb"),
    (Case(0, 16, "new"), "sqlite"),
)


def logins(form: Form) -> list[Planned]:
    """The cases of the table, then those of the curves and of the mix that people make."""
    planned = [_planned(case, database, form.rounds, form) for case, database in TABLE]
    # If the time runs out, then for those that take most of it.
    planned.sort(key=lambda one: one.case.in_flight >= 1000)
    more = [_planned(case, database, form.curve_rounds, form) for case, database in _curve()]
    return planned + [one for one in more if (one.case, one.database) not in TABLE]


def _planned(case: Case, database: str, rounds: int, form: Form) -> Planned:
    """A crowd needs time to be all there."""
    if case.in_flight >= 1000:
        return Planned(case, database, min(rounds, _ROUNDS_OF_CROWDS), 2 * form.seconds)
    return Planned(case, database, rounds, form.seconds)


def _curve() -> Iterator[tuple[Case, str]]:
    for database in DATABASES:
        yield Case(0, 16, "new"), database
        for latency in LATENCIES:
            yield Case(latency, 16, "people"), database
            for number in IN_FLIGHT:
                yield Case(latency, number), database


def endpoints(form: Form, database: str) -> list[Planned]:
    """Everything but logins, at authsvc alone: the peers have none of it."""
    return [Planned(Case(0, 16, kind=kind), database, 3, form.seconds) for kind in ENDPOINTS]


def over_users(form: Form, database: str) -> list[Planned]:
    """What is asked of each size."""
    return [Planned(Case(0, 16, users), database, form.rounds, form.seconds) for users in ("returning", "new")]
