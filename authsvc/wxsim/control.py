"""``/control/…``: tests set up the simulated world here, and inspect the calls that reached it."""

from dataclasses import asdict
from typing import Any

from flask import Blueprint, abort, request
from marshmallow import Schema, fields, validate

from authsvc.wxsim.accesstokens import KINDS
from authsvc.wxsim.faults import EVERY_PATH, Fault
from authsvc.wxsim.requestbody import key_field, load, name_field, seconds_field
from authsvc.wxsim.simulator import simulator
from authsvc.wxsim.world import Account, App, User, World, WorldConflict

blueprint = Blueprint("control", __name__, url_prefix="/control")

Answer = dict[str, Any]


class _App(Schema):
    appid = name_field(required=True)
    secret = name_field(required=True)
    unionid_group = name_field(load_default=None, allow_none=True)


class _User(Schema):
    appid = name_field()
    openid = name_field()
    session_key = key_field()
    unionid = name_field()
    phone = name_field()
    country_code = name_field()
    blocked = fields.Boolean()
    profile = fields.Dict(keys=fields.String())


class _Faults(Schema):
    path = fields.String(load_default=EVERY_PATH, validate=validate.Regexp(r"^(/.*|\*)$"))
    code = name_field(load_default=None, allow_none=True)
    times = fields.Integer(load_default=1, allow_none=True, validate=validate.Range(min=1))
    fault = fields.Raw()
    script = fields.List(fields.Raw(), validate=validate.Length(min=1))


class _Clock(Schema):
    offset = fields.Float()
    advance = fields.Float()


class _Settings(Schema):
    latency = seconds_field()
    min_refresh_seconds = seconds_field()
    quota_per_minute = fields.Integer(allow_none=True, validate=validate.Range(min=1))
    token_seconds = fields.Integer(validate=validate.Range(min=1))
    token_quota_per_day = fields.Integer(allow_none=True, validate=validate.Range(min=1))
    ip_allow_list = fields.List(name_field(), allow_none=True)
    published_pages = fields.List(name_field(), allow_none=True)
    ungranted = fields.List(name_field())
    codes_per_minute = fields.Integer(allow_none=True, validate=validate.Range(min=1))
    limited_codes = fields.Integer(validate=validate.Range(min=0))
    country_code_as_number = fields.Boolean()
    escape_slashes = fields.Boolean()
    content_types = fields.Dict(keys=fields.String(), values=fields.String())


class _Tokens(Schema):
    appid = name_field()
    kind = fields.String(load_default=KINDS[0], validate=validate.OneOf(KINDS))


_APP, _USER, _FAULTS, _CLOCK, _SETTINGS, _TOKENS = _App(), _User(), _Faults(), _Clock(), _Settings(), _Tokens()


@blueprint.get("/health")
def health() -> Answer:
    """Report that the simulator runs, and for which apps."""
    world = simulator().world
    return {"status": "ok", "apps": [app.appid for app in world.apps()], **world.counts()}


@blueprint.post("/reset")
def reset() -> Answer:
    """Restore the state after start: users, codes, faults, journal, clock, settings and apps."""
    simulator().reset()
    return {"status": "ok"}


@blueprint.get("/apps")
def list_apps() -> Answer:
    """List the apps, without secrets."""
    return {"apps": [_show_app(app) for app in simulator().world.apps()]}


@blueprint.post("/apps")
def put_app() -> tuple[Answer, int]:
    """Add an app or replace one. 403 for an AppID that could be real."""
    app = App(**load(_APP))
    simulator().world.put_app(app)
    return _show_app(app), 201


@blueprint.get("/users/<name>")
def get_user(name: str) -> Answer:
    """Show a user (created on first use), with openid and session_key per app, for tests."""
    world = simulator().world
    return _show_user(world, world.user(name))


@blueprint.put("/users/<name>")
def put_user(name: str) -> Answer:
    """Set the given values. openid, session_key and unionid belong to an app: ``appid``, or the only one.

    A session_key that was set stays until a login with ``rotate: true``.
    """
    asked = load(_USER)
    world = simulator().world
    user = world.user(name)
    for field in ("phone", "country_code", "blocked"):
        if field in asked:
            setattr(user, field, asked[field])
    user.profile.update(asked.get("profile", {}))
    _pin_identity(world, user, asked)
    return _show_user(world, user)


@blueprint.get("/accounts")
def find_user() -> Answer:
    """Show the user with this ``openid`` in this ``appid``; 404 if there is none."""
    world = simulator().world
    account = world.find_account(request.args.get("appid", ""), request.args.get("openid", ""))
    if account is None:
        abort(404, "nobody has this openid in this app")
    return _show_user(world, account.user)


@blueprint.get("/faults")
def list_faults() -> Answer:
    """List the queued faults."""
    return {"faults": [queued.render() for queued in simulator().faults.waiting()]}


@blueprint.post("/faults")
def add_faults() -> tuple[Answer, int]:
    """Queue a ``fault`` for the next ``times`` matching calls (null: all), or a ``script``, one fault per call."""
    asked = load(_FAULTS)
    if ("fault" in asked) == ("script" in asked):
        abort(400, "give either fault or script")
    faults = [Fault.parse(raw) for raw in asked.get("script", [asked.get("fault")])]
    times = 1 if "script" in asked else asked["times"]
    queue = simulator().faults
    queued = [queue.add(asked["path"], asked["code"], times, fault) for fault in faults]
    return {"faults": [entry.render() for entry in queued]}, 201


@blueprint.delete("/faults")
def clear_faults() -> Answer:
    """Remove all queued faults."""
    simulator().faults.clear()
    return {"faults": []}


@blueprint.get("/journal")
def read_journal() -> Answer:
    """List the calls that reached WeChat, oldest first.

    ``path``, ``code`` and ``outcome`` filter, ``limit`` keeps the last ones; ``count`` is the number of all matches.
    """
    calls = simulator().journal.find(*(request.args.get(name) for name in ("path", "code", "outcome")))
    limit = request.args.get("limit", type=int)
    shown = calls if limit is None else calls[len(calls) - min(limit, len(calls)) :]
    return {"count": len(calls), "calls": [call.render() for call in shown]}


@blueprint.delete("/journal")
def clear_journal() -> Answer:
    """Clear the journal."""
    simulator().journal.clear()
    return {"count": 0, "calls": []}


@blueprint.get("/codes")
def list_codes() -> Answer:
    """List the last codes drawn, newest first: their app, and what opens when they are scanned."""
    return {"codes": [asdict(code) for code in simulator().world.drawn_codes.latest()]}


@blueprint.get("/tokens")
def list_tokens() -> Answer:
    """Show per app and kind how often a token was fetched and created, and the current one in plain text."""
    world = simulator().world
    return {"tokens": [world.tokens.show(app.appid, kind) for app in world.apps() for kind in KINDS]}


@blueprint.post("/tokens/kill")
def kill_tokens() -> Answer:
    """Make the tokens of one kind get 40001, as after a forced refresh elsewhere. ``appid`` if there are several."""
    asked = load(_TOKENS)
    world = simulator().world
    world.tokens.kill(appid := asked.get("appid") or _only_appid(world), asked["kind"])
    return world.tokens.show(appid, asked["kind"])


@blueprint.post("/tokens/expire")
def expire_tokens() -> Answer:
    """Make the tokens of one kind get 42001. ``appid`` if there are several."""
    asked = load(_TOKENS)
    world = simulator().world
    world.tokens.expire(appid := asked.get("appid") or _only_appid(world), asked["kind"])
    return world.tokens.show(appid, asked["kind"])


@blueprint.get("/clock")
def read_clock() -> Answer:
    """Return the simulator's time (Unix seconds) and its offset from the machine's."""
    clock = simulator().world.clock
    return {"now": clock.now(), "offset": clock.offset}


@blueprint.post("/clock")
def move_clock() -> Answer:
    """Set the offset in seconds, or ``advance`` it (negative: back)."""
    asked = load(_CLOCK)
    clock = simulator().world.clock
    clock.offset = asked.get("offset", clock.offset) + asked.get("advance", 0.0)
    return read_clock()


@blueprint.get("/settings")
def read_settings() -> Answer:
    """Show the settings."""
    return dict(vars(simulator().world.settings))


@blueprint.post("/settings")
def change_settings() -> Answer:
    """Change the given settings; content types are merged by path prefix. A quota of codes counts from now on."""
    asked = load(_SETTINGS)
    settings = simulator().world.settings
    if "codes_per_minute" in asked:
        simulator().world.forget_codes_drawn()
    settings.content_types.update(asked.pop("content_types", {}))
    for name, value in asked.items():
        setattr(settings, name, value)
    return read_settings()


def _pin_identity(world: World, user: User, asked: Answer) -> None:
    if not any(asked.get(field) for field in ("openid", "session_key", "unionid")):
        return
    account = world.account(asked.get("appid") or _only_appid(world), user.name)
    if "openid" in asked:
        account.openid = asked["openid"]
    if asked["session_key"]:
        world.pin_session_key(account, asked["session_key"])
    if "unionid" in asked:
        group = account.app.unionid_group
        if group is None:
            raise WorldConflict(f"{account.app.appid} is not bound to an Open Platform account; set its unionid_group")
        user.unionids[group] = asked["unionid"]


def _only_appid(world: World) -> str:
    if len(apps := world.apps()) != 1:
        abort(400, "appid is required, because there is not exactly one app")
    return apps[0].appid


def _show_app(app: App) -> Answer:
    return {"appid": app.appid, "unionid_group": app.unionid_group}


def _show_user(world: World, user: User) -> Answer:
    return {
        "user": user.name,
        "phone": user.phone,
        "country_code": user.country_code,
        "blocked": user.blocked,
        "profile": user.profile,
        "accounts": [_show_account(account) for account in world.accounts_of(user.name)],
    }


def _show_account(account: Account) -> Answer:
    return {
        "appid": account.app.appid,
        "openid": account.openid,
        "unionid": account.unionid,
        "session_key": account.session_key,
        "key_minted_at": account.key_minted_at or None,
    }
