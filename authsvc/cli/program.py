"""The program ``authsvc``: the commands of ``flask authsvc``, without Flask's own and its search for an app."""

from flask.cli import ScriptInfo

from authsvc.cli import authsvc

APP = "authsvc.wsgi:app"


def main() -> None:
    """Run the command that the command line names. It finds ``.env`` and ``instance/`` in the working directory."""
    authsvc(obj=ScriptInfo(APP))
