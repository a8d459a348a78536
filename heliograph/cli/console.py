"""Where the commands write. Results go to standard output, everything else to standard error."""

import json
from collections.abc import Iterator, Sequence
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


def print_table(rows: Sequence[Sequence[str]]) -> None:
    """Aligned columns under a header, the first row. Nothing is cut, so that ids can be copied."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for number, row in enumerate(rows):
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        out.print(line, style="bold" if number == 0 else None, markup=False)


@contextmanager
def failing_on(*errors: type[Exception]) -> Iterator[None]:
    """End the command with the message of such an error instead of its traceback."""
    try:
        yield
    except errors as error:
        err.print(f"[red]error[/]: {error}")
        raise typer.Exit(1) from error
