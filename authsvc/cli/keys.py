"""``flask authsvc keys …``: changing the keys that sign tokens."""

import contextlib
import json
from collections.abc import Iterator

import click
from flask.cli import with_appcontext

from authsvc.cli import confirmation
from authsvc.cli.confirmation import confirm
from authsvc.cli.house import services
from authsvc.cli.moments import utc
from authsvc.cli.refusals import Group, Later
from authsvc.services.operator.signingkeys import KeyRefusal, Step


@click.group(cls=Group)
def keys() -> None:
    """Change the keys that sign tokens: new, wait, activate, wait, retire. Running services notice by themselves."""


# A kid is base64url: it may begin like an option.
_NAMES_A_KEY = {"ignore_unknown_options": True}
_kid = click.argument("kid", required=False)
_now = click.option("--now", "at_once", is_flag=True, help="Do not wait, not even for the database. For a leaked key.")


@keys.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array instead of a table.")
@with_appcontext
def list_(as_json: bool) -> None:
    """List the published keys, with the next step for each."""
    steps = services().signing_keys.list_all()
    if as_json:
        click.echo(json.dumps([_view(step) for step in steps]))
        return
    click.echo(f"{'key':<43}  {'state':<9}  {'since':<20}  next")
    for step in steps:
        following = f"{step.action} from {utc(step.ready_at)}" if step.ready_at else step.action
        click.echo(f"{step.key.kid}  {step.key.state:<9}  {utc(step.key.since):<20}  {following}".rstrip())


@keys.command()
@_now
@with_appcontext
def new(at_once: bool) -> None:
    """Create a key and publish it. It signs nothing until it is activated."""
    kid = services().signing_keys.add(at_once=at_once)
    ready_at = next(step.ready_at for step in services().signing_keys.list_all() if step.key.kid == kid)
    click.echo(f"published  {kid}\nnext: authsvc keys activate, from {utc(ready_at)} on")


@keys.command(context_settings=_NAMES_A_KEY)
@_kid
@_now
@with_appcontext
def activate(kid: str | None, at_once: bool) -> None:
    """Sign with a published key from now on. KID may be its beginning; default: the only waiting key."""
    with _in_time():
        click.echo(f"signing  {services().signing_keys.activate(kid, at_once=at_once)}")


@keys.command(context_settings=_NAMES_A_KEY)
@_kid
@_now
@confirmation.yes
@with_appcontext
def retire(kid: str | None, at_once: bool, yes: bool) -> None:
    """Remove a key permanently. KID may be its beginning; default: the only former key."""
    confirm(f"Remove {f'the key {kid}' if kid else 'the former key'}? This cannot be undone.", yes)
    with _in_time():
        click.echo(f"retired  {services().signing_keys.retire(kid, at_once=at_once)}")


@keys.command(context_settings=_NAMES_A_KEY)
@_kid
@click.option("--pem", "as_pem", is_flag=True, help="PEM instead of a key set.")
@with_appcontext
def export(kid: str | None, as_pem: bool) -> None:
    """Print the public keys for verifiers that cannot fetch them. KID may be the beginning of a key."""
    found = [step.key for step in services().signing_keys.list_all() if step.key.kid.startswith(kid or "")]
    if not found:
        raise click.ClickException(f"there is no key {kid}…")
    if not as_pem:
        click.echo(json.dumps({"keys": [key.public_jwk for key in found]}))
        return
    for key in found:
        heading = "" if kid else f"{key.kid} {key.state}\n"
        click.echo(f"{heading}{key.pem}", nl=False)


@contextlib.contextmanager
def _in_time() -> Iterator[None]:
    """Add the possible time to the refusal of a step that comes too early."""
    try:
        yield
    except KeyRefusal as refusal:
        if refusal.ready_at is None:
            raise
        raise Later(f"{refusal}; wait until {utc(refusal.ready_at)}, or use --now") from None


def _view(step: Step) -> dict[str, object]:
    key = step.key
    return {
        "kid": key.kid,
        "state": key.state,
        "since": key.since,
        "next": step.action or None,
        "ready_at": step.ready_at,
    }
