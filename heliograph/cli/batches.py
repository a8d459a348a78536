"""`heliograph batch`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from heliograph.batch_run import COMPLETED, BatchRun
from heliograph.cli.console import Json, err, failing_on, out, print_json, print_table
from heliograph.cli.jobs import URL, Url, connected

app = typer.Typer(help="Run files of requests.", no_args_is_help=True)
SOME_FAILED = 3  # exit code: the batch is done, and some of its lines have failed


@app.callback()
def batches() -> None:
    """Run files of requests."""


@app.command()
def run(
    file: Annotated[
        Path | None, typer.Argument(help="The requests, one a line, as for /v1/batches.", exists=True, dir_okay=False)
    ] = None,
    *,
    to: Annotated[Path, typer.Option("--out", help="Folder for the results.", file_okay=False)],
    window: Annotated[str, typer.Option(help="How long it may take: minutes, hours or days, as 90m, 24h, 7d.")] = "24h",
    resume: Annotated[str, typer.Option(help="Go on with this batch instead of a file.", metavar="ID")] = "",
    url: Url = URL,
    json: Json = False,
) -> None:
    """Upload a file of requests, watch them being done, and download the results.

    A batch goes on when this command is interrupted; `--resume` takes it up again. Exit codes: 0 every line has a
    result, 3 some lines have failed, 1 the batch did not come to its end, 130 interrupted.
    """
    if (file is None) == (not resume):
        raise typer.BadParameter("give either a file or --resume")
    with connected(url) as client, failing_on(OSError, ValueError):
        batch = BatchRun(client, err)
        try:
            ended = batch.watch(batch.start(file, window) if file else resume)
            results = batch.download(ended, to)
        except KeyboardInterrupt:
            if batch.id:
                err.print(f"the batch goes on: heliograph batch run --resume {batch.id} --out {to}")
            raise typer.Exit(130) from None
    _report(ended, results, json=json)
    raise typer.Exit(_exit_code(ended))


def _report(batch: dict[str, Any], results: list[Path], *, json: bool) -> None:
    if json:
        print_json(batch)
        return
    for path in results:
        out.print(str(path), markup=False)
    counts = batch["request_counts"]
    failed = f", {counts['failed']} of them failed" if counts["failed"] else ""
    err.print(f"{batch['id']} {batch['status']}: {counts['total']} lines{failed}", markup=False)
    if batch["errors"]:
        rows = [
            [str(problem["line"] or "-"), problem["code"], problem["message"]] for problem in batch["errors"]["data"]
        ]
        print_table([["line", "error", "message"], *rows])


def _exit_code(batch: dict[str, Any]) -> int:
    if batch["status"] != COMPLETED:
        return 1
    return SOME_FAILED if batch["request_counts"]["failed"] else 0
