"""``flask authsvc keys …``: the keys that sign tokens, from the first publication to the last token.

Exit codes: 0 done; 1 refused or failed; 2 usage; 75 too early, so the same command will do later.
"""

import contextlib
import json
from collections.abc import Iterator

import click
from flask import current_app
from flask.cli import with_appcontext

from authsvc.cli.moments import utc
from authsvc.errors import ServiceBusy
from authsvc.services.operator.signingkeys import KeyRefusal, SigningKeys, Step
from authsvc.signing.keyset import BadKeys


class _TooEarly(click.ClickException):
    exit_code = 75  # EX_TEMPFAIL of sysexits.h


@click.group()
def keys() -> None:
    """Change the keys that sign tokens: new, wait, activate, wait, retire. Running services follow by themselves."""


# A kid is base64url: it may begin like an option.
_NAMES_A_KEY = {"ignore_unknown_options": True}
_kid = click.argument("kid", required=False)
_now = click.option("--now", "at_once", is_flag=True, help="Do not wait. For a key that has leaked.")


@keys.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array instead of a table.")
@with_appcontext
def list_(as_json: bool) -> None:
    """List the published keys, and what may be done next with each."""
    steps = _keys().list_all()
    if as_json:
        click.echo(json.dumps([_view(step) for step in steps]))
        return
    click.echo(f"{'key':<43}  {'state':<9}  {'since':<20}  next")
    for step in steps:
        following = f"{step.action} from {utc(step.ready_at)}" if step.ready_at else step.action
        click.echo(f"{step.key.kid}  {step.key.state:<9}  {utc(step.key.since):<20}  {following}".rstrip())


@keys.command()
@with_appcontext
def new() -> None:
    """Make a key and publish it. It signs nothing until it is activated."""
    with _told():
        kid = _keys().add()
        ready_at = next(step.ready_at for step in _keys().list_all() if step.key.kid == kid)
        click.echo(f"published  {kid}\nnext: flask authsvc keys activate, from {utc(ready_at)} on")


@keys.command(context_settings=_NAMES_A_KEY)
@_kid
@_now
@with_appcontext
def activate(kid: str | None, at_once: bool) -> None:
    """Sign with a published key from now on. KID may be its beginning; default: the only one that waits."""
    with _told():
        click.echo(f"signing  {_keys().activate(kid, at_once=at_once)}")


@keys.command(context_settings=_NAMES_A_KEY)
@_kid
@_now
@with_appcontext
def retire(kid: str | None, at_once: bool) -> None:
    """Remove a key for good. KID may be its beginning; default: the only former one."""
    with _told():
        click.echo(f"retired  {_keys().retire(kid, at_once=at_once)}")


@keys.command(context_settings=_NAMES_A_KEY)
@_kid
@click.option("--pem", "as_pem", is_flag=True, help="PEM instead of a key set.")
@with_appcontext
def export(kid: str | None, as_pem: bool) -> None:
    """Print the public keys for verifiers that cannot fetch them. KID may be the beginning of one."""
    found = [step.key for step in _keys().list_all() if step.key.kid.startswith(kid or "")]
    if not found:
        raise click.ClickException(f"there is no key {kid}…")
    if not as_pem:
        click.echo(json.dumps({"keys": [key.public_jwk for key in found]}))
        return
    for key in found:
        heading = "" if kid else f"{key.kid} {key.state}\n"
        click.echo(f"{heading}{key.pem}", nl=False)


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """Turn what a change may raise into one sentence and an exit code."""
    try:
        yield
    except KeyRefusal as refusal:
        if refusal.ready_at is None:
            raise click.ClickException(str(refusal)) from None
        raise _TooEarly(f"{refusal}; wait until {utc(refusal.ready_at)}, or give --now") from None
    except BadKeys as problem:
        raise click.ClickException(str(problem)) from None
    except OSError as problem:
        raise click.ClickException(f"the key file cannot be written: {problem.strerror}") from None
    except ServiceBusy as problem:
        raise click.ClickException(f"done, but the audit event could not be stored ({problem})") from None


def _keys() -> SigningKeys:
    found: SigningKeys = current_app.extensions["authsvc"].signing_keys
    return found


def _view(step: Step) -> dict[str, object]:
    key = step.key
    return {
        "kid": key.kid,
        "state": key.state,
        "since": key.since,
        "next": step.action or None,
        "ready_at": step.ready_at,
    }
