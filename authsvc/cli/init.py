"""``authsvc init``: creates keys and a first ``.env``. Needs no settings, and replaces no existing file."""

import os
import secrets
from pathlib import Path

import click

from authsvc.cli.terminal import called
from authsvc.config.source import ENV_FILE, stored, variables
from authsvc.signing.keyfile import KEY_FILE, create_key_file

_INSTANCE = "instance"
_ENV = """\
# Made by `authsvc init`. Every other setting, with its default and meaning, is in .env.example.

# AppID and AppSecret of the mini program (https://mp.weixin.qq.com, Development > Development settings).
WX_APPID=
WX_SECRET=
# The address under which other services reach authsvc; the `iss` of every token.
PUBLIC_BASE_URL=http://127.0.0.1:8000
# Encrypts session_keys. Keep a copy: without it they cannot be decrypted. Put new keys in front, separated by commas.
SECRET_KEYS={secret_key}
"""
_ENV_INSTANCE = """\
# The folder of keys, database and pictures.
INSTANCE_PATH={instance}
"""


@click.command()
@click.option(
    "--instance",
    default=lambda: variables().get("INSTANCE_PATH", "instance") or _INSTANCE,
    show_default="instance",
)
@click.option("--env-file", default=str(ENV_FILE), show_default=True)
def init(instance: str, env_file: str) -> None:
    """Create the signing key and a .env with a secret key, both readable only by you."""
    known = stored(Path(env_file))
    folder = Path(instance)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    key_file = folder / KEY_FILE
    made = create_key_file(key_file)
    click.echo(f"{'created' if made else 'kept'}  {key_file}")
    made = _create_env(Path(env_file), instance)
    added = not made and not known.get("SECRET_KEYS") and _add_secret_key(Path(env_file))
    click.echo(f"{'created' if made else 'added SECRET_KEYS to' if added else 'kept'}  {env_file}")
    if made:
        click.echo(f"next: fill in WX_APPID and WX_SECRET in {env_file}, then run:")
        click.echo(f"  {called()} db upgrade\n  {called()} run")


def _add_secret_key(path: Path) -> bool:
    """Add the key to a .env that was copied from .env.example, where it is empty."""
    if os.environ.get("SECRET_KEYS"):
        return False
    with path.open("a", encoding="utf-8") as file:
        file.write(f"\nSECRET_KEYS={secrets.token_urlsafe(32)}\n")
    path.chmod(0o600)
    return True


def _create_env(path: Path, instance: str) -> bool:
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError:
        return False
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(_ENV.format(secret_key=secrets.token_urlsafe(32)))
        if instance != _INSTANCE:
            file.write(_ENV_INSTANCE.format(instance=instance))
    return True
