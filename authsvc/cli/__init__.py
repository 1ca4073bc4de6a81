"""``flask authsvc …``: what an operator does from the shell."""

from typing import Any

import click

from authsvc.cli.audit import audit
from authsvc.cli.credentials import services
from authsvc.cli.errors import errors
from authsvc.cli.init import init
from authsvc.cli.invites import invites
from authsvc.cli.keys import keys
from authsvc.cli.purge import purge
from authsvc.cli.qrcodes import qrcodes
from authsvc.cli.refusals import told
from authsvc.cli.routes import routes
from authsvc.cli.sessionkeys import session_keys
from authsvc.cli.terminal import escape_what_does_not_fit
from authsvc.cli.token import token
from authsvc.cli.users import users
from authsvc.db import engine


class _Commands(click.Group):
    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; whatever a service raises is told in a sentence."""
        with told():
            return super().invoke(ctx)


@click.group(cls=_Commands)
def authsvc() -> None:
    """Set up and look after authsvc."""
    escape_what_does_not_fit()
    engine.take_time()


for _command in (audit, init, errors, invites, keys, purge, qrcodes, routes, services, session_keys, token, users):
    authsvc.add_command(_command)
