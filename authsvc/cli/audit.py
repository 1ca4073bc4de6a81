"""``flask authsvc audit``: what was changed that matters for security, when, and whom it was about."""

import json
from dataclasses import asdict

import click
from flask.cli import with_appcontext

from authsvc.cli.house import services
from authsvc.cli.moments import Since, utc
from authsvc.cli.terminal import shown


@click.command()
@click.option("--user", "user_id", type=int, help="About the user with this id, erased or not.")
@click.option("--openid", help="About whoever came first with this openid, erased or not.")
@click.option("--event", help="Of this name, such as refresh_reuse.")
@click.option("--since", type=Since(), default=0, help="2026-11-20, 2026-11-20T08:00:00Z, or 90m, 12h, 7d ago.")
@click.option("--limit", type=click.IntRange(1), default=1000, show_default=True, help="Only the newest.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object per line.")
@with_appcontext
def audit(user_id: int | None, openid: str | None, event: str | None, since: int, limit: int, as_json: bool) -> None:
    """Print audit events, the oldest first: when, what, about whom, by which keyed hash, and more."""
    for entry in services().users.events(user_id=user_id, openid=openid, event=event, since=since, limit=limit):
        if as_json:
            click.echo(json.dumps(asdict(entry)))
            continue
        about = "-" if entry.user_id is None else f"user {entry.user_id}"
        line = f"{utc(entry.at)}  {entry.event:<17}  {about:<12}  {entry.subject[:12]:<12}  {shown(entry.detail)}"
        click.echo(line.rstrip())
