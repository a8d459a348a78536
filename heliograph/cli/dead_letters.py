"""`heliograph dead-letters`."""

from typing import Annotated

import typer

from heliograph.cli.console import Json, err, out, print_json, print_table
from heliograph.cli.jobs import URL, JobId, Url, connected, local_time

app = typer.Typer(help="Look at jobs that were given up, and do them again.", no_args_is_help=True)
Model = Annotated[str, typer.Option(help="Only those for this model.", show_default=False)]
ErrorCode = Annotated[str, typer.Option(help="Only those with this error code.", show_default=False)]


@app.command("list")
def list_(
    *,
    model: Model = "",
    error: ErrorCode = "",
    after: Annotated[str, typer.Option(help="Go on after this id.", show_default=False)] = "",
    limit: Annotated[int, typer.Option(help="How many.", min=1, max=100)] = 20,
    url: Url = URL,
    json: Json = False,
) -> None:
    """List dead letters, newest first."""
    with connected(url) as client:
        page = client.dead_letters(model=model, error=error, after=after, limit=limit)
    if json:
        print_json(page)
        return
    rows = [["job", "model", "error", "exception", "given up", "redriven as"]]
    for letter in page["data"]:
        cause = letter["error"]
        given_up = local_time(letter["created_at"])
        rows.append(
            [letter["id"], letter["model"], cause["code"], cause["kind"], given_up, letter["redriven_as"] or ""]
        )
    print_table(rows)
    if page["has_more"]:
        err.print(f"there are more: --after {page['last_id']}", style="dim")


@app.command()
def show(job: JobId, *, url: Url = URL, json: Json = False) -> None:
    """Show a dead letter: its payloads' references, and every attempt with worker and traceback."""
    with connected(url) as client:
        letter = client.dead_letter(job)
    if json:
        print_json(letter)
        return
    for name, reference in letter["references"].items():
        out.print(f"{name}: {reference or '-'}", markup=False)
    for attempt in letter["attempts"]:
        error = attempt["error"]
        heading = f"{attempt['step']} {attempt['attempt']} · {attempt['worker']} · {error['kind']}: {error['message']}"
        out.print(heading, markup=False, style="bold")
        if attempt["traceback"]:
            out.print(attempt["traceback"], markup=False)


@app.command()
def redrive(
    job: Annotated[str | None, typer.Argument(help="The dead letter's id; without one, all that match.")] = None,
    *,
    model: Model = "",
    error: ErrorCode = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be done again.")] = False,
    per_second: Annotated[float | None, typer.Option(help="Start so many a second.", min=0.001)] = None,
    url: Url = URL,
    json: Json = False,
) -> None:
    """Do a dead letter again, or all that match and were not done again yet. Each is redriven once."""
    with connected(url) as client:
        if job is not None:
            done = [{"dead_letter": job, "job_id": client.redrive(job)["job_id"]}]
        else:
            body = {"filter": {"model": model, "error": error}, "dry_run": dry_run, "per_second": per_second}
            done = client.redrive_some(body)["data"]
    if json:
        print_json(done)
    else:
        print_table([["dead letter", "new job"], *([item["dead_letter"], item["job_id"] or "-"] for item in done)])
