"""Invite codes as CSV, for export and import."""

import csv
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain, islice
from typing import IO

import click

from authsvc.cli import moments
from authsvc.cli.refusals import shortened
from authsvc.services.invites import spelling
from authsvc.services.invites.campaigns import BATCH_NAME
from authsvc.values.invites import ImportedInvite, InviteCode

COLUMNS = ("code", "batch", "owner", "max_uses", "uses", "expires_at", "disabled")
_MAX_USES = 2**31 - 1
_MAX_ID = 2**63 - 1


class BadRows(click.ClickException):
    """A file cannot be used; the text has a sentence for each wrong line."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("nothing was done\n" + "\n".join(shortened(problems)))


def write(file: IO[str], invites: Iterable[InviteCode]) -> int:
    """Write codes, the header first; return how many."""
    rows = map(_written, invites)
    # Before the header, so that an existing file stays unchanged if no code can be read.
    first = list(islice(rows, 1))
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(COLUMNS)
    count = 0
    for row in chain(first, rows):
        writer.writerow(row)
        count += 1
    return count


def read(file: IO[str]) -> list[ImportedInvite]:
    """Return the rows' codes, in order; raises BadRows.

    Only the column ``code`` is required. ``uses`` is ignored, because it counts people, who cannot be imported.
    """
    with _bad_rows():
        rows = csv.DictReader(file, strict=True)
        _check_header(rows.fieldnames or [])
        if unknown := [name for name in rows.fieldnames or [] if name not in COLUMNS]:
            raise BadRows([f"unknown columns: {', '.join(unknown)}; known columns: {', '.join(COLUMNS)}"])
        return _all_of(rows)


def read_codes(file: IO[str]) -> list[str]:
    """Return the column ``code`` of any file with such a column; raises BadRows."""
    with _bad_rows():
        rows = csv.DictReader(file, strict=True)
        _check_header(rows.fieldnames or [])
        return [row["code"] for row in rows]


@contextmanager
def _bad_rows() -> Iterator[None]:
    try:
        yield
    except UnicodeDecodeError:
        raise BadRows(["the file is not UTF-8"]) from None
    except csv.Error as error:
        raise BadRows([f"the file is not CSV: {error}"]) from None


def _written(invite: InviteCode) -> Iterator[object]:
    yield invite.code
    yield invite.batch or ""
    yield invite.owner_id or ""
    yield invite.max_uses or ""
    yield invite.uses
    yield moments.in_china(invite.expires_at)
    yield "" if invite.disabled_at is None else "yes"


def _check_header(names: Iterable[str]) -> None:
    if "code" not in names:
        raise BadRows(["the first line must name the columns, including code"])


def _all_of(rows: "csv.DictReader[str]") -> list[ImportedInvite]:
    found: dict[str, ImportedInvite] = {}
    problems = []
    for row in rows:
        try:
            invite = _invite(row)
            if invite.code in found:
                raise ValueError(f"{invite.code} occurs twice")
            found[invite.code] = invite
        except ValueError as error:
            problems.append(f"line {rows.line_num}: {error}")
    if problems:
        raise BadRows(problems)
    return list(found.values())


def _invite(row: dict[str, str]) -> ImportedInvite:
    if None in row or None in row.values():
        raise ValueError("the number of fields differs from the first line")
    code, batch, disabled = row["code"], row.get("batch") or None, row.get("disabled", "")
    if not spelling.PATTERN.match(code):
        raise ValueError("a code must be 1 to 20 letters, digits, - and _")
    if batch is not None and not BATCH_NAME.match(batch):
        raise ValueError("a batch must be 1 to 40 letters, digits, dots, hyphens and underscores")
    if disabled not in ("", "yes"):
        raise ValueError("disabled must be yes or empty")
    return ImportedInvite(
        code=code,
        batch=batch,
        owner_id=_number(row, "owner", _MAX_ID),
        max_uses=_number(row, "max_uses", _MAX_USES),
        expires_at=_moment(row.get("expires_at", "")),
        is_disabled=disabled == "yes",
    )


def _number(row: dict[str, str], column: str, most: int) -> int | None:
    text = row.get(column, "")
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and 1 <= int(text[:20]) <= most):
        raise ValueError(f"{column} must be a number from 1, or empty")
    return int(text)


def _moment(text: str) -> int | None:
    try:
        return moments.expiry(text) if text else None
    except (ValueError, OverflowError):
        raise ValueError("expires_at must be a day (2027-03-31) or a time (2027-03-31T18:00+08:00)") from None
