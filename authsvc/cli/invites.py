"""``flask authsvc invites …``: batches of invite codes for whoever runs a campaign."""

from itertools import islice
from typing import IO

import click
from flask.cli import with_appcontext

from authsvc.cli import invitecsv, moments
from authsvc.cli.house import services
from authsvc.cli.progress import progress
from authsvc.cli.refusals import Group, resumable
from authsvc.values.invites import InviteBatch, InviteCode

_LIST = "{:<20}  {:<24}  {:>10}  {:>9}  {:<25}  {}"
_STATS = "{:<24}  {:>9}  {:>9}  {:>9}  {:>9}  {:>9}  {:>9}"


@click.group(cls=Group)
def invites() -> None:
    """Make invite codes by the batch, and look after them."""


_batch = click.option("--batch", metavar="NAME", help="Those of one batch.")
_codes = click.argument("codes", metavar="[CODE]...", nargs=-1)


@invites.command()
@click.option("--batch", metavar="NAME", required=True, help="What the codes are for, such as spring-2027.")
@click.option("--count", type=click.IntRange(1, 10_000_000), required=True, help="How many the batch is to have.")
@click.option("--prefix", default="", help="What every code begins with: letters, digits, - and _.")
@click.option(
    "--length", type=click.IntRange(1, 20), default=10, show_default=True, help="Random characters after the prefix."
)
@click.option("--uses", type=click.IntRange(1, 10**9), help="How many people may come with one code; default: any.")
@click.option("--expires", type=moments.Expiry(), help="Last day (2027-03-31, in China) or moment; default: never.")
@click.option("--owner", metavar="USER_ID", type=int, help="Who invites with them; default: nobody, a pool.")
@with_appcontext
def seed(
    batch: str, count: int, prefix: str, length: int, uses: int | None, expires: int | None, owner: int | None
) -> None:
    """Fill a batch with codes, up to --count.

    Run again, it adds only what is missing: after an interruption, or with a higher --count. Two at once share the
    work. A code and its prefix have at most 20 characters.
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
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="How many lines.")
@with_appcontext
def list_(batch: str | None, owner: int | None, limit: int) -> None:
    """List codes in the order in which they were made."""
    campaigns = services().campaigns
    total = campaigns.count(batch=batch, owner_id=owner)
    found = campaigns.codes(batch=batch, owner_id=owner)
    click.echo(_LIST.format("code", "batch", "owner", "uses", "expires", "state"))
    for invite in islice(found, limit):
        click.echo(_line(invite, campaigns.fault(invite) or "open"))
    if total > limit:
        click.echo(f"… and {total - limit} more (--limit; invites export has all)")


@invites.command()
@click.argument("user_id", type=int)
@_codes
@_batch
@click.option("--count", type=click.IntRange(1, 1_000_000), default=1, show_default=True, help="How many of the batch.")
@with_appcontext
def assign(user_id: int, codes: tuple[str, ...], batch: str | None, count: int) -> None:
    """Give unused codes without an owner to a user: the codes named, or the first of a batch. All or none."""
    _need_one(codes, batch)
    if batch is None:
        services().campaigns.assign(user_id, codes)
    else:
        services().campaigns.assign_first(user_id, batch, count)
    click.echo(f"assigned to user {user_id}: {len(codes) or count}")


@invites.command()
@_codes
@_batch
@with_appcontext
def disable(codes: tuple[str, ...], batch: str | None) -> None:
    """Take codes out of use for good: the codes named, or a whole batch. Who came with them stays."""
    _need_one(codes, batch)
    changed = services().campaigns.disable(codes) if batch is None else services().campaigns.disable_batch(batch)
    click.echo(f"disabled: {changed}")


@invites.command()
@_batch
@click.option("--owner", metavar="USER_ID", type=int, help="Those of one user.")
@click.option("--out", type=click.File("w", encoding="utf-8"), default="-", help="A file; default: standard output.")
@with_appcontext
def export(batch: str | None, owner: int | None, out: IO[str]) -> None:
    """Write codes as CSV, in the order in which they were made."""
    count = invitecsv.write(out, services().campaigns.codes(batch=batch, owner_id=owner))
    click.echo(f"exported: {count}", err=True)


@invites.command(name="import")
@click.argument("file", type=click.File("r", encoding="utf-8-sig"))
@with_appcontext
def import_(file: IO[str]) -> None:
    """Add the codes of a CSV FILE (- for standard input) that do not exist yet.

    \b
    code        the code; the only column that is needed
    batch       which batch it joins
    owner       the id of the user who invites with it
    max_uses    how many people may come with it; nothing: any
    expires_at  a day (its end in China) or a time with offset; nothing: never
    disabled    yes, or nothing

    A code that exists stays as it is, so importing twice does no more than once. A file with a faulty line is refused
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
@with_appcontext
def stats() -> None:
    """Count codes and uses by batch."""
    found = services().campaigns.stats()
    click.echo(_STATS.format("batch", "codes", "owned", "used up", "expired", "disabled", "uses"))
    for row in found:
        numbers = (row.codes, row.owned, row.used_up, row.expired, row.disabled, row.uses)
        click.echo(_STATS.format(row.batch or "(none)", *numbers))


def _need_one(codes: tuple[str, ...], batch: str | None) -> None:
    if bool(codes) == (batch is not None):
        raise click.UsageError("name either codes or a --batch")


def _line(invite: InviteCode, state: str) -> str:
    batch = f"{invite.batch} {invite.batch_number}" if invite.batch else ""
    uses = f"{invite.uses}/{invite.max_uses or '∞'}"
    return _LIST.format(invite.code, batch, invite.owner_id or "", uses, moments.in_china(invite.expires_at), state)
