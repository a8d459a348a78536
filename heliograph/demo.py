"""`make demo`: one real job from submit to stored result, watched as it happens, and then a question.

Everything runs on this machine, on a free port and in a temporary folder, and is gone at the end.
"""

import contextlib
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator

from rich.console import Console

from configs.settings import CONFIGS
from heliograph.data_lock import STOP_S
from heliograph.http_client import HttpClient
from heliograph.models import add_model
from heliograph.timeline import Timeline
from pipelines.jobs import Status

MODEL = "smollm2-135m-instruct"
TOPIC = {"topic": "why the sky is blue", "audience": "a child in one sentence"}
QUESTION = "What is the capital of France?"
console = Console(highlight=False, soft_wrap=True)


def main() -> int:
    """Run it all; 0 where every step did what it should."""
    _title("1. The model")
    add_model(MODEL, progress=_say)
    with tempfile.TemporaryDirectory(prefix="heliograph-demo-") as data:
        _title("2. Ray, Serve and vLLM (a minute or two on a small machine)")
        with _server(data) as url, contextlib.closing(HttpClient(url)) as client:
            _title(f"3. A job: the template `explain` with {TOPIC}")
            explained = _run(client, template="explain", variables=TOPIC)
            _title(f"4. A question: {QUESTION}")
            answered = _run(client, prompt=QUESTION, max_output_tokens=32)
            _title("5. Stopping")
    if not (explained and "Paris" in answered):
        console.print("[red]the demo did not get what it asked for[/]")
        return 1
    console.print("[green]done[/]: everything that was started has stopped")
    return 0


def _run(client: HttpClient, **body: object) -> str:
    """Submit, watch, and read the stored result; its text, or "" where the job failed."""
    job_id = client.submit({"model": MODEL, "temperature": 0, **body})["job_id"]
    console.print(f"[dim]id: {job_id}[/]")
    timeline = Timeline(console)
    end = timeline.follow(client.frames(job_id))
    stored = client.text(job_id)
    console.print(f"[dim]stored result: {len(stored)} characters, the same as streamed: {stored == timeline.text}[/]")
    return stored if end.status in (Status.COMPLETED, Status.INCOMPLETE) and stored == timeline.text else ""


@contextlib.contextmanager
def _server(data: str) -> Iterator[str]:
    """`heliograph serve`, as a user starts it; the URL once it is ready."""
    command = [sys.executable, "-m", "heliograph", "serve", "--config", str(CONFIGS / "event-driven.yaml")]
    command += ["--port", str(_free_port()), "--data", data]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:  # noqa: S603
        try:
            yield _await_ready(process)
        finally:
            process.send_signal(signal.SIGTERM)
            rest, _ = process.communicate(timeout=STOP_S)
            _say(rest.rstrip())


def _await_ready(process: "subprocess.Popen[str]") -> str:
    began = time.monotonic()
    with console.status("starting"):
        for line in process.stdout or ():
            _say(f"{time.monotonic() - began:6.1f} s  {line.rstrip()}")
            if line.startswith("ready "):
                return line.split()[1]
    raise SystemExit("the server did not start")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _title(text: str) -> None:
    console.print(f"\n[bold]{text}[/]")


def _say(text: str) -> None:
    console.print(text, style="dim", markup=False)


if __name__ == "__main__":
    sys.exit(main())
