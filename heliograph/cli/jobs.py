"""`heliograph submit`, `watch`, `jobs` and `events`."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

import typer

from configs.settings import api_key, server_url
from heliograph.cli.console import Json, err, failing_on, out, print_json, print_table
from heliograph.errors import ConnectError
from heliograph.frames import EndFrame
from heliograph.http_client import HttpClient, RefusedError
from heliograph.timeline import Timeline, event_details
from pipelines.jobs import Status

Url = Annotated[str, typer.Option(help="The server (or set HELIOGRAPH_URL).")]
JobId = Annotated[str, typer.Argument(help="The job's id.", metavar="ID")]
URL = server_url()


def submit(  # noqa: PLR0913 - one per option
    *,
    model: Annotated[str, typer.Option(help="The model to ask.")],
    prompt: Annotated[str | None, typer.Option(help="What to ask.")] = None,
    template: Annotated[str | None, typer.Option(help="A prompt template, instead of --prompt.")] = None,
    var: Annotated[list[str] | None, typer.Option(help="A variable of the template: KEY=VALUE. Repeatable.")] = None,
    max_output_tokens: Annotated[int | None, typer.Option(help="Tokens at most.", min=1)] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the end and print the answer.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Follow the job as it happens.")] = False,
    url: Url = URL,
    json: Json = False,
) -> None:
    """Submit a job and print its id."""
    if (prompt is None) == (template is None):
        raise typer.BadParameter("give either --prompt or --template")
    body: dict[str, Any] = {
        "model": model,
        "prompt": prompt,
        "template": template,
        "max_output_tokens": max_output_tokens,
    }
    if var:
        body["variables"] = _variables(var)
    with connected(url) as client:
        accepted = client.submit({key: value for key, value in body.items() if value is not None})
        job_id: str = accepted["job_id"]
        if watch:
            _watch(client, job_id, json=json)
        elif wait:
            _wait(client, job_id, json=json)
        elif json:
            print_json(accepted)
        else:
            typer.echo(job_id)


def watch(job: JobId, *, url: Url = URL, json: Json = False) -> None:
    """Follow a job: events with waiting times, and tokens as they come."""
    with connected(url) as client:
        _watch(client, job, json=json)


def jobs(
    *,
    status: Annotated[Status | None, typer.Option(help="Only jobs with this status.")] = None,
    model: Annotated[str | None, typer.Option(help="Only jobs for this model.")] = None,
    after: Annotated[str | None, typer.Option(help="Go on after this id.")] = None,
    limit: Annotated[int, typer.Option(help="How many.", min=1, max=100)] = 20,
    url: Url = URL,
    json: Json = False,
) -> None:
    """List jobs, newest first."""
    with connected(url) as client:
        page = client.jobs(status=status, model=model, after=after, limit=limit)
    if json:
        print_json(page)
        return
    rows = [["job", "status", "model", "step", "attempts", "created", "error"]]
    for job in page["data"]:
        created = local_time(job["created_at"])
        error = job["error"]["message"] if job["error"] else ""
        rows.append([job["id"], job["status"], job["model"], job["step"], str(job["attempts"]), created, error])
    print_table(rows)
    if page["has_more"]:
        err.print(f"there are more: --after {page['last_id']}", style="dim")


def events(job: JobId, *, url: Url = URL, json: Json = False) -> None:
    """List what has happened to a job."""
    with connected(url) as client:
        listed = client.events(job)
    if json:
        print_json(listed)
        return
    rows = [["since submit", "event", "step", "details"]]
    for event in listed:
        since = event["created_at"] - listed[0]["created_at"]
        details = " · ".join(event_details(event["type"], event["attempt"], event["data"]))
        rows.append([f"{since:.3f} s", event["type"], event["step"], details])
    print_table(rows)


@contextmanager
def connected(url: str) -> Iterator[HttpClient]:
    """A client of the server; ends the command with a sentence where the server refuses or is not there."""
    with failing_on(ConnectError, RefusedError), closing(HttpClient(url, api_key())) as client:
        yield client


def local_time(seconds: float) -> str:
    """Unix time for people."""
    return datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _variables(pairs: list[str]) -> dict[str, str]:
    variables = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not (key and equals):
            raise typer.BadParameter(f"not KEY=VALUE: {pair!r}", param_hint="--var")
        variables[key] = value
    return variables


def _watch(client: HttpClient, job_id: str, *, json: bool) -> None:
    if not json:
        _exit_by(Timeline(out).follow(client.frames(job_id)))
    for frame in client.frames(job_id):
        print_json({"frame": type(frame).__name__.removesuffix("Frame").lower(), **asdict(frame)})
        if isinstance(frame, EndFrame):
            _exit_by(frame)


def _wait(client: HttpClient, job_id: str, *, json: bool) -> None:
    end = next(frame for frame in client.frames(job_id) if isinstance(frame, EndFrame))
    if json:
        print_json(client.response(job_id))
    elif end.fault is not None:
        err.print(f"[red]{end.status}[/]: {end.fault.message} ({end.fault.code})")
    else:
        typer.echo(client.text(job_id))
    _exit_by(end)


def _exit_by(end: EndFrame) -> None:
    raise typer.Exit(0 if end.status in (Status.COMPLETED, Status.INCOMPLETE) else 1)


COMMANDS = (submit, watch, jobs, events)
