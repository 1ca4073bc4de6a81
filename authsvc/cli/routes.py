"""``flask authsvc routes``: every route with what the door enforces, generated from the declarations."""

import json
import re
from collections.abc import Iterator

import click
from flask import current_app
from flask.cli import with_appcontext

from authsvc.cli.tables import table
from authsvc.web.routing import Operation, declared

COLUMNS = ("method", "path", "who may", "step-up", "limit", "contract", "summary")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array instead of a table.")
@with_appcontext
def routes(as_json: bool) -> None:
    """List every route: who may enter, whether it needs step-up, its RATE_LIMIT_…, and its shape."""
    rows = sorted(routes_declared(), key=lambda row: (row[1], row[0]))
    if as_json:
        names = [re.sub(r"\W", "_", column) for column in COLUMNS]
        click.echo(json.dumps([dict(zip(names, row, strict=True)) for row in rows], indent=1))
        return
    for line in table(COLUMNS, rows):
        click.echo(line)


def routes_declared() -> Iterator[tuple[str, ...]]:
    """Yield the columns of every route of the current app."""
    for method, path, operation in declared(current_app):
        of_it = (str(operation.who), _step_up(operation), operation.limited, operation.contract.name, operation.summary)
        yield method, path, *of_it


def _step_up(operation: Operation) -> str:
    """Return whether it needs a fresh code; for some routes that depends on the request."""
    return "sometimes" if callable(operation.step_up) else "yes" if operation.step_up else "no"
