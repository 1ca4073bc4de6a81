"""``flask authsvc …``: commands for operators."""

import click

from authsvc.cli.audit import audit
from authsvc.cli.credentials import credentials
from authsvc.cli.errors import errors
from authsvc.cli.init import init
from authsvc.cli.invites import invites
from authsvc.cli.keys import keys
from authsvc.cli.purge import purge
from authsvc.cli.qrcodes import qrcodes
from authsvc.cli.refusals import Group
from authsvc.cli.routes import routes
from authsvc.cli.sessionkeys import session_keys
from authsvc.cli.terminal import escape_what_does_not_fit
from authsvc.cli.token import token
from authsvc.cli.users import users
from authsvc.db import engine


@click.group(cls=Group)
@click.pass_context
def authsvc(ctx: click.Context) -> None:
    """Set up and manage authsvc."""
    escape_what_does_not_fit()
    ctx.with_resource(engine.taking_time())


for _command in (audit, credentials, init, errors, invites, keys, purge, qrcodes, routes, session_keys, token, users):
    authsvc.add_command(_command)
