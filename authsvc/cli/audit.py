"""``flask authsvc audit``: lists the security-relevant changes, their times, and the users concerned."""

import json
from dataclasses import asdict

import click
from flask.cli import with_appcontext

from authsvc.cli.house import services
from authsvc.cli.moments import Since, utc
from authsvc.cli.terminal import shown

_LINE = "{:<20}  {:<17}  {:<12}  {:<12}  {:<12}  {}"


@click.command()
@click.option("--user", "user_id", type=int, help="About the user with this id, erased or not.")
@click.option("--openid", help="About the person whose first openid was this one, erased or not.")
@click.option("--event", help="Only events with this name, such as refresh_reuse.")
@click.option("--operator", help="Done by the operator with this name, in the console or by its API.")
@click.option(
    "--since", type=Since(), default=0, help="2026-11-20, 2026-11-20T08:00:00Z, or how long ago: 90m, 12h, 7d."
)
@click.option("--limit", type=click.IntRange(1), default=1000, show_default=True, help="How many, newest first.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object per line.")
@with_appcontext
def audit(
    user_id: int | None,
    openid: str | None,
    event: str | None,
    operator: str | None,
    since: int,
    limit: int,
    as_json: bool,
) -> None:
    """Print audit events, oldest first: time, event, user, keyed hash, operator, and details."""
    found = services().users.events(
        user_id=user_id, openid=openid, event=event, operator=operator, since=since, limit=limit
    )
    if not as_json:
        click.echo(_LINE.format("time", "event", "user", "hash", "operator", "details"))
    for entry in found:
        if as_json:
            click.echo(json.dumps(asdict(entry)))
            continue
        about = "-" if entry.user_id is None else f"user {entry.user_id}"
        line = _LINE.format(utc(entry.at), entry.event, about, entry.subject[:12], entry.operator, shown(entry.detail))
        click.echo(line.rstrip())
