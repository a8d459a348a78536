"""`heliograph serve` and `heliograph stop`."""

import logging
from pathlib import Path
from typing import Annotated

import typer

from configs.settings import CONFIGS
from heliograph.cli.console import err, failing_on, out
from heliograph.data_lock import STOP_S, FolderInUseError, stop_holder
from heliograph.errors import StartError

Data = Annotated[Path, typer.Option(help="Folder of journal, token log and payloads.")]
DATA = Path(".heliograph")


def serve(
    config: Annotated[
        Path, typer.Option(help="What to run.", exists=True, dir_okay=False, show_default="event-driven.yaml")
    ] = CONFIGS / "event-driven.yaml",
    port: Annotated[int | None, typer.Option(help="Port to listen on.", show_default="the config's")] = None,
    data: Data = DATA,
    *,
    dashboard: Annotated[bool, typer.Option(help="Whether Ray's dashboard runs; it takes ten processes.")] = True,
    haproxy: Annotated[bool, typer.Option(help="Whether HAProxy takes the requests, where it can run.")] = True,
) -> None:
    """Serve in the foreground, until Ctrl-C or `heliograph stop`.

    Prints `ready URL` when jobs are accepted, and `all services run` when the others are there too.
    """
    from heliograph import serving  # noqa: PLC0415 - slow to import

    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    with failing_on(FolderInUseError, StartError, FileNotFoundError):
        serving.serve(
            serving.Server(
                config=config,
                data=data,
                port=port,
                dashboard=dashboard,
                haproxy=haproxy,
                announce=typer.echo,
                progress=lambda text: err.print(text, style="dim", markup=False),
            )
        )


def stop(data: Data = DATA) -> None:
    """End the server that works on a data folder."""
    with failing_on(TimeoutError):
        pid = stop_holder(data, patience_s=STOP_S)
    out.print(f"no server runs on {data}" if pid is None else f"stopped the server with pid {pid}")


COMMANDS = (serve, stop)
