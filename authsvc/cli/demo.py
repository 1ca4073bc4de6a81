"""``authsvc demo``: a whole login on this machine, against the simulator."""

import sys
from importlib.util import find_spec
from io import TextIOWrapper
from pathlib import Path

import click

from authsvc.cli.refusals import refusal
from authsvc.demo import roundtrip


@click.command()
@click.option("--once", is_flag=True, help="End after the round trip (exit code 0 if it succeeded).")
@click.option(
    "--port", type=int, metavar="N", help=f"Of the service; default: {roundtrip.SERVICE_PORT}, or a free one."
)
@click.option(
    "--simulator-port",
    type=int,
    metavar="N",
    help=f"Of the simulator; default: {roundtrip.SIMULATOR_PORT}, or a free one.",
)
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path, resolve_path=True),
    default="instance/demo",
    show_default=True,
    help="Of keys, database and logs.",
)
def demo(once: bool, port: int | None, simulator_port: int | None, folder: Path) -> None:
    """Log a simulated WeChat user in and verify the token as another service would, step by step.

    Needs no settings, AppID or network, and touches nothing outside its folder.
    """
    if find_spec("segno") is None:
        raise refusal(
            "the demo needs the simulator's packages; run: pip install segno, or in a checkout: scripts/setup sim"
        )
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace", line_buffering=True)
    raise SystemExit(roundtrip.run(folder, port=port, simulator_port=simulator_port, once=once))
