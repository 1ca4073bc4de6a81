"""``authsvc …``, and in a checkout ``flask authsvc …``: commands for operators."""

import click

from authsvc import __version__
from authsvc.cli.audit import audit
from authsvc.cli.credentials import credentials
from authsvc.cli.demo import demo
from authsvc.cli.doctor import doctor
from authsvc.cli.errors import errors
from authsvc.cli.init import init
from authsvc.cli.invites import invites
from authsvc.cli.keys import keys
from authsvc.cli.migrations import db
from authsvc.cli.operators import operators
from authsvc.cli.purge import purge
from authsvc.cli.qrcodes import qrcodes
from authsvc.cli.refusals import Group
from authsvc.cli.routes import routes
from authsvc.cli.run import run
from authsvc.cli.sessionkeys import session_keys
from authsvc.cli.terminal import escape_what_does_not_fit
from authsvc.cli.token import token
from authsvc.cli.users import users
from authsvc.cli.webhooks import deliver, webhooks
from authsvc.db import engine


@click.group(cls=Group)
@click.version_option(__version__, message="authsvc %(version)s")
@click.pass_context
def authsvc(ctx: click.Context) -> None:
    """Set up and manage authsvc."""
    escape_what_does_not_fit()
    ctx.with_resource(engine.taking_time())


_SETTING_UP = (init, db, run, demo, doctor)
_WORKING = (
    audit,
    credentials,
    deliver,
    errors,
    invites,
    keys,
    operators,
    purge,
    qrcodes,
    routes,
    session_keys,
    token,
    users,
    webhooks,
)
for _command in (*_SETTING_UP, *_WORKING):
    authsvc.add_command(_command)
