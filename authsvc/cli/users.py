"""``flask authsvc users …``: views of users and actions on them. Phones and openids are masked without --full."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import click
from flask.cli import with_appcontext

from authsvc.cli import confirmation
from authsvc.cli.confirmation import confirm
from authsvc.cli.house import services
from authsvc.cli.moments import utc
from authsvc.cli.refusals import Group, Partly
from authsvc.cli.terminal import lacks_characters, shown
from authsvc.clock import DAY
from authsvc.errors import ServiceBusy
from authsvc.services.people.exports import Export
from authsvc.values.operator import MergePreview, UserSummary, masked_openid, masked_phone

_CONFLICTS_HEAD = f"{'user':>12}  {'other user':>12}  mini program"
_FOUND_HEAD = f"{'user':>12}  {'status':<8}  {'phone':<16}  {'last login':<20}  nickname"


@click.group(cls=Group)
def users() -> None:
    """Show and manage users."""


_user = click.argument("user_id", type=int)
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
_full = click.option("--full", is_flag=True, help="Print phone numbers and openids in full.")


@users.command()
@click.option("--id", "user_id", type=int)
@click.option("--phone", help="Verified or claimed; +8613800138000 or 13800138000.")
@click.option("--openid", help="In any mini program. Reads the whole table.")
@click.option("--nickname", help="Its beginning; at most 100 users. Reads the whole table.")
@click.option("--text", help="Any of these, or a number's last digits: as in the console; at most 100 users.")
@_full
@_json
@with_appcontext
def find(
    user_id: int | None,
    phone: str | None,
    openid: str | None,
    nickname: str | None,
    text: str | None,
    full: bool,
    as_json: bool,
) -> None:
    """Find users with exactly one of the options. Exit code 1 if there is none."""
    if sum(option is not None for option in (user_id, phone, openid, nickname, text)) != 1:
        raise click.UsageError("give one of --id, --phone, --openid, --nickname and --text")
    users = services().users
    if user_id is not None:
        found = [users.get(user_id)]
    elif phone is not None:
        found = users.with_phone(phone)
    elif openid is not None:
        found = users.with_openid(openid)
    elif text is not None:
        found = services().user_files.search(text)
    else:
        found = users.named(nickname or "")
    if not found:
        raise click.ClickException("no user was found")
    _print_found(found, full=full, as_json=as_json)


def _print_found(found: Sequence[UserSummary], *, full: bool, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps([_summary(user, full) for user in found]))
        return
    click.echo(_FOUND_HEAD)
    for user in found:
        phone = _shown(user.phone, full) or "-"
        login = utc(user.last_login_at)
        click.echo(f"{user.id:>12}  {user.status:<8}  {phone:<16}  {login:<20}  {shown(user.nickname)}".rstrip())


@users.command()
@_user
@_full
@_json
@with_appcontext
def show(user_id: int, full: bool, as_json: bool) -> None:
    """Show one user: status, phone, identities, and how much else is stored."""
    user = services().users.get(user_id)
    live = len(services().users.sessions(user_id))
    stored, events = services().exports.glance(user_id)
    if as_json:
        click.echo(json.dumps(_as_json(user, stored, full) | {"live_sessions": live, "audit_events": events}))
        return
    for name, value in (
        ("user", user.id),
        ("status", user.status),
        ("merged into", user.merged_into_id),
        ("closed", user.closed_at and utc(user.closed_at)),
        ("nickname", user.nickname and shown(user.nickname)),
        ("phone", _shown(user.phone, full)),
        ("claimed phone", _shown(user.claimed_phone, full)),
        ("created", utc(user.created_at)),
        ("last login", utc(user.last_login_at)),
        *(("identity", _identity(row, full)) for row in stored.rows("identities")),
        *(("merged user", row["id"]) for row in stored.rows("users") if row["id"] != user_id),
        *(("consent", f"{row['version']}  {utc(int(str(row['given_at'])))}") for row in stored.rows("consents")),
        ("live sessions", live),
        ("audit events", events),
    ):
        if value is not None:
            click.echo(f"{name:<14} {value}")


def _as_json(user: UserSummary, stored: Export, full: bool) -> dict[str, Any]:
    identities = [
        {"id": row["id"], "appid": row["appid"], "openid": _openid(row, full), "created_at": row["created_at"]}
        for row in stored.rows("identities")
    ]
    return _summary(user, full) | {
        "identities": identities,
        "merged_users": [row["id"] for row in stored.rows("users") if row["id"] != user.id],
        "consents": [{name: row[name] for name in ("version", "given_at")} for row in stored.rows("consents")],
    }


def _summary(user: UserSummary, full: bool) -> dict[str, Any]:
    return asdict(user) | {name: _shown(getattr(user, name), full) for name in ("phone", "claimed_phone")}


def _openid(row: dict[str, Any], full: bool) -> str:
    return str(row["openid"]) if full else masked_openid(row["openid"])


def _identity(row: dict[str, Any], full: bool) -> str:
    return f"{row['id']}  {row['appid']}  {_openid(row, full)}  {utc(row['created_at'])}"


@users.command()
@_user
@with_appcontext
def disable(user_id: int) -> None:
    """Disable a user: refused from the next request on, all sessions ended; closing the account does not help them.

    Also works for closed accounts. If the account is erased, its owner cannot register for BAN_MEMORY_DAYS.
    """
    services().users.disable(user_id)
    click.echo(f"disabled  {user_id}")


@users.command()
@click.argument("user_id", type=int, required=False)
@click.option("--openid", help="Of a person whose account was erased while disabled.")
@click.option("--phone", help="The same, by a former number; +8613800138000 or 13800138000.")
@with_appcontext
def enable(user_id: int | None, openid: str | None, phone: str | None) -> None:
    """Enable a disabled user. Earlier sessions stay ended.

    Use the id while the user exists. After an erasure, use openid or phone: its owner may then register again.
    """
    if sum(option is not None for option in (user_id, openid, phone)) != 1:
        raise click.UsageError("give one of USER_ID, --openid and --phone")
    users = services().users
    if user_id is not None:
        users.enable(user_id)
        click.echo(f"enabled  {user_id}")
    elif openid is not None:
        click.echo(f"lifted  {users.lift_ban_of_openid(openid)} marks")
    else:
        click.echo(f"lifted  {users.lift_ban_of_phone(phone or '')} marks")


@users.command()
@_user
@_json
@with_appcontext
def sessions(user_id: int, as_json: bool) -> None:
    """List the live sessions of a user, most recently used first; at most 200."""
    found = services().users.sessions(user_id)
    if as_json:
        click.echo(json.dumps([asdict(session) for session in found]))
        return
    click.echo(f"{'session':<22}  {'mini program':<18}  {'contract':<17}  {'last used':<20}  device")
    for entry in found:
        line = f"{entry.id:<22}  {entry.appid:<18}  {entry.contract:<17}  {utc(entry.last_used_at):<20}"
        click.echo(f"{line}  {shown(entry.device)}".rstrip())


@users.command()
@_user
@click.option("--session", "session_id", help="Only this one, as in: users sessions.")
@with_appcontext
def logout(user_id: int, session_id: str | None) -> None:
    """End all sessions of a user, or one. They may sign in again."""
    users = services().users
    ended = users.log_out(user_id) if session_id is None else int(users.end_session(user_id, session_id))
    click.echo(f"ended  {ended}")


@users.command()
@_user
@click.option("--into", "winner_id", type=int, required=True, help="The user that stays.")
@click.option(
    "--reason", help="Why, in one line of up to 150 characters; no phone numbers or names. For the audit event."
)
@click.option("--preview", is_flag=True, help="Only show what would move, end or be lost.")
@click.option("--json", "as_json", is_flag=True, help="Print the preview as JSON.")
@confirmation.yes
@with_appcontext
def merge(user_id: int, winner_id: int, reason: str | None, preview: bool, as_json: bool, yes: bool) -> None:
    """Merge a user into another. `users unmerge` can undo it for MERGE_UNDO_DAYS.

    Identities are moved, and the phone number if the other user has none; the merged user is closed and signed out.
    """
    if preview:
        _print_preview(services().merges.preview(user_id, winner_id), as_json)
        return
    if reason is None:
        raise click.UsageError("give --reason, or --preview to see first what would happen")
    days = services().merges.undo_seconds // DAY
    then = f"It can be undone for {days} days, while nothing is built on it." if days else "This cannot be undone."
    confirm(f"Merge user {user_id} into user {winner_id}? {then}", yes)
    services().merges.merge(user_id, winner_id, reason)
    click.echo(f"merged  {user_id} into {winner_id}")


@users.command()
@_user
@click.option("--reason", required=True, help="Why, in one line of up to 150 characters; no phone numbers or names.")
@with_appcontext
def unmerge(user_id: int, reason: str) -> None:
    """Split a merged user off again, with what they had. All sessions of the other user end.

    Refused after MERGE_UNDO_DAYS, and if the other user has changed the phone number or a linked WeChat since.
    """
    winner_id = services().merges.undo(user_id, reason)
    click.echo(f"unmerged  {user_id} from {winner_id}")


def _print_preview(found: MergePreview, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(asdict(found)))
        return
    for name, value in (
        *(("identity", f"{link.id}  {link.appid}  moves") for link in found.identities),
        ("phone", found.phone),
        ("own invite", found.invite),
        ("invite codes", f"{found.invite_codes}  move"),
        ("invited people", f"{found.guests}  move"),
        ("pictures", f"{found.code_pictures}  move"),
        *(("merged user", f"{user_id}  moves") for user_id in found.merged_ids),
        ("live sessions", f"{found.live_sessions}  end"),
    ):
        click.echo(f"{name:<14} {value}")


@users.command()
@_user
@confirmation.yes
@with_appcontext
def erase(user_id: int, yes: bool) -> None:
    """Erase a user immediately, with users merged into it, without a cooling-off period. This cannot be undone."""
    confirm(f"Erase user {user_id} and everything stored about them? This cannot be undone.", yes)
    services().erasures.erase(user_id)
    click.echo(f"erased  {user_id}")
    try:
        services().closing.scrub()
    except ServiceBusy as busy:
        raise Partly(f"the database file still has traces of them, which the next purge removes ({busy})") from None


@users.command()
@_user
@with_appcontext
def export(user_id: int) -> None:
    """Print everything stored about a user as JSON, with full phone numbers and openids. Writes an audit event."""
    for text in services().exports.for_operator(user_id).json(ascii_only=lacks_characters()):
        click.echo(text, nl=False)


@users.command()
@_json
@with_appcontext
def conflicts(as_json: bool) -> None:
    """List pairs of users with one unionid that could not be merged.

    An identity of the user, in this mini program, has the unionid of the other user. Up to 1,000 pairs.
    """
    found = services().conflicts.list_all()
    if as_json:
        click.echo(json.dumps([asdict(conflict) for conflict in found]))
        return
    click.echo(_CONFLICTS_HEAD if found else "no conflicts")
    for conflict in found:
        click.echo(f"{conflict.user_id:>12}  {conflict.other_user_id:>12}  {conflict.appid}")


def _shown(phone: str | None, full: bool) -> str | None:
    """Return a number, with all but its last four digits hidden unless ``full``."""
    return phone if phone is None or full else masked_phone(phone)
