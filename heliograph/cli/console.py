"""Where the commands write. Results go to standard output, everything else to standard error."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from rich.console import Console

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")]


def print_json(value: Any) -> None:
    """One JSON document on one line."""
    typer.echo(json.dumps(value, ensure_ascii=False))


@contextmanager
def failing_on(*errors: type[Exception]) -> Iterator[None]:
    """End the command with the message of such an error instead of its traceback."""
    try:
        yield
    except errors as error:
        err.print(f"[red]error[/]: {error}")
        raise typer.Exit(1) from error
