"""One batch from the command line: uploaded, watched with a bar and an estimate, downloaded."""

import json
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from heliograph.errors import ConnectError
from heliograph.http_client import HttpClient

COMPLETED = "completed"
ENDED = (COMPLETED, "failed", "expired", "cancelled")
LOOK_S = 0.5
PATIENCE_S = 60.0  # how long a server that has gone away is waited for
_FILES = {"output_file_id": "output.jsonl", "error_file_id": "errors.jsonl"}


class BatchRun:
    """A batch on one server. `id` is "" until there is one. Raises RefusedError, ConnectError."""

    def __init__(self, client: HttpClient, console: Console) -> None:
        self._client = client
        self._console = console
        self.id = ""

    def start(self, file: Path, window: str) -> str:
        """Upload a file and make a batch of it; its id. Raises ValueError where the first line names no endpoint."""
        endpoint = _endpoint(file)
        uploaded = self._client.upload(file, "batch")
        body = {"input_file_id": uploaded["id"], "endpoint": endpoint, "completion_window": window}
        batch: str = self._client.create_batch(body)["id"]
        return batch

    def watch(self, batch: str) -> dict[str, Any]:
        """Show how far it is until it has ended; the batch then."""
        self.id = batch
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=self._console) as progress:
            task = progress.add_task("validating", total=None)
            while True:
                now = self._look()
                _show(progress, task, now)
                if now["status"] in ENDED:
                    return now
                time.sleep(LOOK_S)

    def download(self, batch: dict[str, Any], folder: Path) -> list[Path]:
        """Write the results; the files, of which each is there only if it has lines."""
        folder.mkdir(parents=True, exist_ok=True)
        written = []
        for name, filename in _FILES.items():
            if batch[name] is not None:
                self._client.download(batch[name], folder / filename)
                written.append(folder / filename)
        return written

    def _look(self) -> dict[str, Any]:
        """The batch now. A server that is away is waited for: the batch goes on when it is back."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                return self._client.batch(self.id)
            except ConnectError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(LOOK_S)


def _show(progress: Progress, task: TaskID, batch: dict[str, Any]) -> None:
    counts = batch["request_counts"]
    done = counts["completed"] + counts["failed"]
    progress.update(task, description=batch["status"], total=counts["total"] or None, completed=done)


def _endpoint(file: Path) -> str:
    """The url of the first line, which is the batch's."""
    with file.open() as lines:
        first = next((line for line in lines if line.strip()), "")
    try:
        url: str = json.loads(first)["url"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"the first line of {file} is no request with a url") from error
    return url
