"""``flask authsvc invites …``: batches of invite codes for campaigns."""

import json
from dataclasses import asdict
from itertools import islice
from typing import IO

import click
from flask.cli import with_appcontext

from authsvc.cli import confirmation, invitecsv, moments
from authsvc.cli.confirmation import confirm
from authsvc.cli.house import services
from authsvc.cli.progress import progress
from authsvc.cli.refusals import Group, resumable
from authsvc.values.invites import InviteBatch, InviteCode

_LIST = "{:<20}  {:<24}  {:>10}  {:>9}  {:<25}  {}"
_STATS = "{:<24}  {:>9}  {:>9}  {:>9}  {:>9}  {:>9}  {:>9}"


@click.group(cls=Group)
def invites() -> None:
    """Create and manage batches of invite codes."""


_batch = click.option("--batch", metavar="NAME", help="The codes of one batch.")
_codes = click.argument("codes", metavar="[CODE]...", nargs=-1)


@invites.command()
@click.option("--batch", metavar="NAME", required=True, help="Name of the batch, such as spring-2027.")
@click.option(
    "--count", type=click.IntRange(1, 10_000_000), required=True, help="How many codes the batch should have."
)
@click.option("--prefix", default="", help="Beginning of every code: letters, digits, - and _.")
@click.option(
    "--length", type=click.IntRange(1, 20), default=10, show_default=True, help="Random characters after the prefix."
)
@click.option(
    "--uses", type=click.IntRange(1, 10**9), help="How many people may come with one code; default: no limit."
)
@click.option("--expires", type=moments.Expiry(), help="Last day (2027-03-31, in China) or time; default: never.")
@click.option("--owner", metavar="USER_ID", type=int, help="The inviter; default: nobody (a pool).")
@with_appcontext
def seed(
    batch: str, count: int, prefix: str, length: int, uses: int | None, expires: int | None, owner: int | None
) -> None:
    """Fill a batch with codes, up to --count.

    If you run it again, after an interruption or with a higher --count, it adds only the missing codes. Two commands
    at once share the work. A code has at most 20 characters, including its prefix.
    """
    wanted = InviteBatch(batch, count, prefix, length, uses, expires, owner)
    with resumable():
        filling = services().campaigns.seed(wanted)
        before = have = next(filling)
        with progress(batch, max(count, before), before) as advance:
            for now in filling:
                advance(now - have)
                have = now
        click.echo(f"{batch}: {have} codes, {have - before} of them new")


@invites.command(name="list")
@_batch
@click.option("--owner", metavar="USER_ID", type=int, help="Those of one user.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="How many codes.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object per line.")
@with_appcontext
def list_(batch: str | None, owner: int | None, limit: int, as_json: bool) -> None:
    """List codes in the order of their creation."""
    campaigns = services().campaigns
    found = campaigns.codes(batch=batch, owner_id=owner)
    if as_json:
        for invite in islice(found, limit):
            click.echo(json.dumps({**asdict(invite), "state": campaigns.fault(invite) or "open"}))
        return
    total = campaigns.count(batch=batch, owner_id=owner)
    click.echo(_LIST.format("code", "batch", "owner", "uses", "expires", "state"))
    for invite in islice(found, limit):
        click.echo(_line(invite, campaigns.fault(invite) or "open"))
    if total > limit:
        click.echo(f"… and {total - limit} more (use --limit, or invites export for all)")


@invites.command()
@click.argument("user_id", type=int)
@_codes
@_batch
@click.option(
    "--count", type=click.IntRange(1, 1_000_000), default=1, show_default=True, help="How many codes of the batch."
)
@with_appcontext
def assign(user_id: int, codes: tuple[str, ...], batch: str | None, count: int) -> None:
    """Assign unused codes without an owner to a user: the named codes, or the first of a batch. All or none."""
    _need_one(codes, batch)
    if batch is None:
        services().campaigns.assign(user_id, codes)
    else:
        services().campaigns.assign_first(user_id, batch, count)
    click.echo(f"assigned to user {user_id}: {len(codes) or count}")


@invites.command()
@_codes
@_batch
@confirmation.yes
@with_appcontext
def disable(codes: tuple[str, ...], batch: str | None, yes: bool) -> None:
    """Disable codes permanently: the named codes, or a whole batch. People who came with them stay."""
    _need_one(codes, batch)
    confirm(f"Disable {f'the batch {batch}' if batch else f'{len(codes)} codes'}? This cannot be undone.", yes)
    changed = services().campaigns.disable(codes) if batch is None else services().campaigns.disable_batch(batch)
    click.echo(f"disabled: {changed}")


@invites.command()
@_batch
@click.option("--owner", metavar="USER_ID", type=int, help="Those of one user.")
@click.option("--out", type=click.File("w", encoding="utf-8"), default="-", help="A file; default: standard output.")
@with_appcontext
def export(batch: str | None, owner: int | None, out: IO[str]) -> None:
    """Write codes as CSV, in the order of their creation."""
    count = invitecsv.write(out, services().campaigns.codes(batch=batch, owner_id=owner))
    click.echo(f"exported: {count}", err=True)


@invites.command(name="import")
@click.argument("file", type=click.File("r", encoding="utf-8-sig"))
@with_appcontext
def import_(file: IO[str]) -> None:
    """Add the codes of a CSV FILE (- for standard input) that do not exist yet.

    \b
    code        the code; the only required column
    batch       the batch to add it to
    owner       the inviter's user id
    max_uses    how many people may come with it; empty: no limit
    expires_at  a day (its end in China) or a time with offset; empty: never
    disabled    yes, or empty

    Existing codes do not change, so importing a file twice has no further effect. A file with a wrong line is refused
    as a whole.
    """
    with resumable():
        brought = invitecsv.read(file)
        added = 0
        with progress("import", len(brought)) as advance:
            for looked_at, new in services().campaigns.import_codes(brought):
                added += new
                advance(looked_at)
        click.echo(f"added: {added}, already there: {len(brought) - added}")


@invites.command()
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array instead of a table.")
@with_appcontext
def stats(as_json: bool) -> None:
    """Count codes and uses by batch."""
    found = services().campaigns.stats()
    if as_json:
        click.echo(json.dumps([asdict(row) for row in found]))
        return
    click.echo(_STATS.format("batch", "codes", "owned", "used up", "expired", "disabled", "uses"))
    for row in found:
        numbers = (row.codes, row.owned, row.used_up, row.expired, row.disabled, row.uses)
        click.echo(_STATS.format(row.batch or "(none)", *numbers))


def _need_one(codes: tuple[str, ...], batch: str | None) -> None:
    if bool(codes) == (batch is not None):
        raise click.UsageError("give either codes or a --batch")


def _line(invite: InviteCode, state: str) -> str:
    batch = f"{invite.batch} {invite.batch_number}" if invite.batch else ""
    uses = f"{invite.uses}/{invite.max_uses or '∞'}"
    return _LIST.format(invite.code, batch, invite.owner_id or "", uses, moments.in_china(invite.expires_at), state)
