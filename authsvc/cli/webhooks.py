"""``authsvc webhooks …`` and ``authsvc deliver``: changes of people, sent to other services."""

import json
import signal
import threading
from typing import get_args

import click
from flask.cli import with_appcontext

from authsvc.cli import confirmation
from authsvc.cli.confirmation import confirm
from authsvc.cli.house import services
from authsvc.cli.moments import utc
from authsvc.cli.refusals import Group
from authsvc.cli.tables import table
from authsvc.values.changes import ChangeKind, WebhookScope

# How soon a change is sent if nothing else waits.
_PAUSE_SECONDS = 1.0


@click.group(cls=Group)
def webhooks() -> None:
    """Addresses of other services that are told of changes of people."""


_name = click.argument("name")


@webhooks.command()
@_name
@click.argument("url")
@click.option(
    "--event",
    "kinds",
    multiple=True,
    type=click.Choice(get_args(ChangeKind)),
    help="A kind of change; repeatable. Default: all kinds.",
)
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice(get_args(WebhookScope)),
    help="What messages contain besides the user's id; repeatable. Default: nothing.",
)
@with_appcontext
def add(name: str, url: str, kinds: tuple[ChangeKind, ...], scopes: tuple[WebhookScope, ...]) -> None:
    """Tell URL of changes from now on, and print the secret that signs the messages. It is shown only once."""
    click.echo(services().webhooks.add(name, url, kinds, scopes))


@webhooks.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array instead of a table.")
@with_appcontext
def list_(as_json: bool) -> None:
    """List webhooks, and how many messages wait and were given up."""
    found = services().webhooks.list_all()
    if as_json:
        rows = [
            {
                "name": hook.name,
                "url": hook.url,
                "events": hook.kinds,
                "scopes": hook.scopes,
                "waiting": backlog.waiting,
                "oldest_at": backlog.oldest_at,
                "dead": backlog.dead,
                "paused_at": hook.paused_at,
                "created_at": hook.created_at,
                "rotated_at": hook.rotated_at,
            }
            for hook, backlog in found
        ]
        click.echo(json.dumps(rows))
        return
    for line in table(
        ("name", "url", "events", "scopes", "waiting", "since", "dead", "paused"),
        (
            (
                *(hook.name, hook.url, ",".join(hook.kinds) or "all", ",".join(hook.scopes) or "-"),
                *(str(backlog.waiting), utc(backlog.oldest_at), str(backlog.dead), utc(hook.paused_at)),
            )
            for hook, backlog in found
        ),
    ):
        click.echo(line)


@webhooks.command()
@_name
@confirmation.yes
@with_appcontext
def remove(name: str, yes: bool) -> None:
    """Remove a webhook, with the messages that wait for it. This cannot be undone."""
    confirm(f"Remove the webhook {name}? Messages that wait for it are lost; this cannot be undone.", yes)
    services().webhooks.remove(name)
    click.echo(f"removed  {name}")


@webhooks.command(name="rotate-secret")
@_name
@with_appcontext
def rotate_secret(name: str) -> None:
    """Print a new secret. For a day, messages are signed with the former one as well."""
    click.echo(services().webhooks.rotate(name))


@webhooks.command()
@_name
@with_appcontext
def pause(name: str) -> None:
    """Stop sending; changes are collected meanwhile."""
    services().webhooks.pause(name)
    click.echo(f"paused  {name}")


@webhooks.command()
@_name
@with_appcontext
def resume(name: str) -> None:
    """Go on sending where it stopped."""
    services().webhooks.resume(name)
    click.echo(f"resumed  {name}")


@webhooks.command()
@_name
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object per line instead of a table.")
@with_appcontext
def dead(name: str, as_json: bool) -> None:
    """List messages that were given up after three days, oldest first, up to 1,000."""
    found = services().webhooks.dead(name)
    if as_json:
        for each in found:
            change = each.change
            row = {"id": each.id, "event": change.kind, "sub": str(change.user_id), "at": change.at}
            click.echo(json.dumps({**row, "dead_at": each.dead_at, "error": each.last_error}))
        return
    rows = ((str(e.id), e.change.kind, str(e.change.user_id), utc(e.change.at), e.last_error) for e in found)
    for line in table(("id", "event", "user", "at", "last error"), rows):
        click.echo(line)


@webhooks.command()
@_name
@click.argument("id", type=int, required=False)
@with_appcontext
def replay(name: str, id: int | None) -> None:
    """Send messages that were given up once more: one (ID), or all of them."""
    click.echo(f"due again: {services().webhooks.replay(name, id)}")


@click.command()
@click.option("--once", is_flag=True, help="End when nothing is due, instead of waiting for more.")
@with_appcontext
def deliver(once: bool) -> None:
    """Send changes of people to the webhooks, until it is stopped (Ctrl-C or TERM).

    Several may run, on one machine or many: each message is sent by one of them at a time.
    """
    deliveries, stop = services().deliveries, threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    while not stop.is_set():
        done = deliveries.round()
        if done.delivered or done.failed:
            click.echo(f"delivered: {done.delivered}, failed: {done.failed}, given up: {done.dead}")
        if not done.did_anything:
            if once:
                return
            stop.wait(_PAUSE_SECONDS)
