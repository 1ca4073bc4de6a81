"""What a check says: lines with a status, a meaning, and a remedy."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from authsvc.doctor.case import Case

Status = Literal["ok", "warning", "wrong", "skipped"]
# How the advice names commands.
COMMAND = "authsvc"
MIGRATE = f"{COMMAND} db upgrade"


@dataclass(frozen=True, slots=True)
class Line:
    """One result: what was found, and what to do about it (empty if nothing). Contains no secret."""

    status: Status
    says: str
    todo: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """One check: its name (``group.subject``), what it proves, what usually helps, and the checks it needs.

    ``run`` yields lines, and may raise anything. It is skipped if a needed check found something wrong, or was skipped.
    """

    name: str
    proves: str
    helps: str
    run: "Callable[[Case], Iterable[Line]]"
    needs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """A line of a check."""

    check: str
    line: Line

    @property
    def group(self) -> str:
        """The first part of the check's name."""
        return self.check.partition(".")[0]

    @property
    def subject(self) -> str:
        """The rest of the check's name."""
        return self.check.partition(".")[2]


def ok(says: str) -> Line:
    """Return the line for something that is right."""
    return Line("ok", says)


def warning(says: str, todo: str) -> Line:
    """Return the line for something that works now, and may not work for long or for everybody."""
    return Line("warning", says, todo)


def wrong(says: str, todo: str) -> Line:
    """Return the line for something that does not work."""
    return Line("wrong", says, todo)


def skipped(says: str) -> Line:
    """Return the line for something that was not checked; it says why."""
    return Line("skipped", says)
