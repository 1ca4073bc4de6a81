"""``python -m authsvc.wxsim``: start the simulator."""

import os
from pathlib import Path

import click

from authsvc.wxsim.guard import (
    SIMULATED_PREFIX,
    ProductionNearby,
    RefusedAppId,
    read_environment,
    require_no_production,
    require_simulated,
)
from authsvc.wxsim.page import require_loopback
from authsvc.wxsim.server import listen, serve
from authsvc.wxsim.world import App, Settings

try:
    from authsvc.wxsim.app import create_simulator
except ModuleNotFoundError as missing:
    if missing.name != "segno":
        raise
    raise SystemExit(
        "Error: the simulator needs segno, from the extra [sim]; run: scripts/setup sim, or pip install segno"
    ) from None

DEFAULT_APP = App(f"{SIMULATED_PREFIX}00000001", "51a051a051a051a051a051a051a051a0")


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8089, show_default=True, type=click.IntRange(0, 65535), help="0 takes a free port.")
@click.option("--app", "app_texts", multiple=True, metavar="APPID:SECRET[:GROUP]", help="A known app; repeatable.")
@click.option("--min-refresh-seconds", default=60.0, show_default=True, type=click.FloatRange(min=0))
@click.option(
    "--authsvc", metavar="URL", help="authsvc's address on this machine, for the page of simulated phones at /."
)
@click.option(
    "--allow-host", "names", multiple=True, metavar="NAME", help="An additional host name of the simulator; repeatable."
)
def main(
    host: str,
    port: int,
    app_texts: tuple[str, ...],
    min_refresh_seconds: float,
    authsvc: str | None,
    names: tuple[str, ...],
) -> None:
    """Run the WeChat simulator until it is interrupted.

    Point authsvc at it with WX_API_BASE. It serves only simulated AppIDs, and does not start beside a production
    configuration.
    """
    apps = [_parse_app(text) for text in app_texts] or [DEFAULT_APP]
    if authsvc is not None:
        try:
            require_loopback(authsvc)
        except ValueError as error:
            raise click.BadParameter(str(error), param_hint="--authsvc") from None
    try:
        require_no_production(read_environment(os.environ, Path(".env")), Path.cwd())
        listener = listen(host, port)
    except ProductionNearby as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        raise click.ClickException(f"cannot listen on {host}:{port}: {error.strerror}") from None
    shown = f"[{host}]" if ":" in host else host
    address = f"http://{shown}:{listener.getsockname()[1]}"
    serve(
        listener,
        build=lambda: create_simulator(
            apps, Settings(min_refresh_seconds=min_refresh_seconds), authsvc, hosts=(host, *names)
        ),
        on_ready=lambda: click.echo(f"WeChat simulator: {address} (apps: {', '.join(app.appid for app in apps)})"),
    )


def _parse_app(text: str) -> App:
    appid, _, rest = text.partition(":")
    secret, _, group = rest.partition(":")
    if not secret:
        raise click.BadParameter("expected APPID:SECRET[:GROUP]", param_hint="--app")
    try:
        require_simulated(appid)
    except RefusedAppId as error:
        raise click.BadParameter(str(error), param_hint="--app") from None
    return App(appid, secret, group or None)


if __name__ == "__main__":
    main(prog_name="python -m authsvc.wxsim")
