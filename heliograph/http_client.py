"""The command line's way to a server: HTTP, and a WebSocket for the stream, which it takes up again where it broke."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.sync.client import connect

from heliograph.errors import ConnectError
from heliograph.frames import Frame, Progress
from pipelines.errors import HeliographError

PATIENCE_S = 30.0  # how long a server that has gone away is waited for while its stream is read
UPLOAD_S = 600.0  # for a file, either way
_PAUSE_S = 0.5


class RefusedError(HeliographError):
    """The server refuses the request; the message is the server's."""


class HttpClient:
    """Talks to one server as one tenant. `api_key` is a bearer token, or "" for the default tenant."""

    def __init__(self, url: str, api_key: str = "", *, patience_s: float = PATIENCE_S) -> None:
        self._patience_s = patience_s
        self._url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._http = httpx.Client(base_url=self._url, headers=self._headers, timeout=60)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def submit(self, body: dict[str, Any]) -> dict[str, Any]:
        """Submit a job. Raises RefusedError, and ConnectError where no server answers; so do the others."""
        return self._ask("POST", "/async-generate", json=body)

    def jobs(self, **filters: str | int | None) -> dict[str, Any]:
        """A page of jobs, newest first."""
        return self._ask("GET", "/jobs", params={key: value for key, value in filters.items() if value is not None})

    def events(self, job_id: str) -> list[dict[str, Any]]:
        """What has happened to a job so far."""
        page: list[dict[str, Any]] = self._ask("GET", f"/jobs/{job_id}/events")["data"]
        return page

    def dead_letters(self, **filters: str | int) -> dict[str, Any]:
        """A page of dead letters, newest first."""
        return self._ask("GET", "/dead-letters", params=filters)

    def dead_letter(self, job_id: str) -> dict[str, Any]:
        """A dead letter with all its attempts."""
        return self._ask("GET", f"/dead-letters/{job_id}")

    def redrive(self, job_id: str) -> dict[str, Any]:
        """Do a dead letter again."""
        return self._ask("POST", f"/dead-letters/{job_id}/redrive")

    def redrive_some(self, body: dict[str, Any]) -> dict[str, Any]:
        """Do again what a filter finds."""
        return self._ask("POST", "/dead-letters/redrive", json=body)

    def response(self, job_id: str) -> dict[str, Any]:
        """The job as OpenAI's Response object."""
        return self._ask("GET", f"/v1/responses/{job_id}")

    def upload(self, path: Path, purpose: str) -> dict[str, Any]:
        """Store a file. Raises OSError where it cannot be read."""
        with path.open("rb") as content:
            files, data = {"file": (path.name, content)}, {"purpose": purpose}
            return self._ask("POST", "/v1/files", files=files, data=data, timeout=UPLOAD_S)

    def create_batch(self, body: dict[str, Any]) -> dict[str, Any]:
        """Make a batch of a file."""
        return self._ask("POST", "/v1/batches", json=body)

    def batch(self, batch: str) -> dict[str, Any]:
        """A batch."""
        return self._ask("GET", f"/v1/batches/{batch}")

    def download(self, file: str, path: Path) -> None:
        """Write a file's content; what was at the path before goes when all of it is here."""
        partial = path.with_name(f".{path.name}.partial")
        try:
            with self._http.stream("GET", f"/v1/files/{file}/content", timeout=UPLOAD_S) as reply:
                if reply.is_error:
                    reply.read()
                    raise RefusedError(_message(reply))
                with partial.open("wb") as content:
                    for piece in reply.iter_bytes():
                        content.write(piece)
        except httpx.TransportError as error:
            raise self._unreachable(error) from error
        partial.replace(path)

    def text(self, job_id: str) -> str:
        """The text of the job's stored result."""
        parts = [part for item in self.response(job_id)["output"] for part in item.get("content", [])]
        return "".join(part["text"] for part in parts if part["type"] == "output_text")

    def frames(self, job_id: str) -> Iterator[Frame]:
        """Everything that happens to a job, from its first event to its end."""
        progress = Progress(-1)
        deadline = time.monotonic() + self._patience_s
        while not progress.ended:
            try:
                for frame in progress.news_of(self._connection(job_id, progress.sequence)):
                    deadline = time.monotonic() + self._patience_s
                    yield frame
            except (OSError, ConnectionClosed, InvalidHandshake) as error:
                if time.monotonic() > deadline:
                    raise self._unreachable(error) from error
                time.sleep(_PAUSE_S)

    def _connection(self, job_id: str, after: int) -> Iterator[dict[str, Any]]:
        cursor = f"?starting_after={after}" if after >= 0 else ""
        address = f"ws{self._url.removeprefix('http')}/jobs/{job_id}/stream{cursor}"
        with connect(address, additional_headers=self._headers) as socket:
            for message in socket:
                frame: dict[str, Any] = json.loads(message)
                if frame["type"] == "error":
                    if frame["status"] >= httpx.codes.INTERNAL_SERVER_ERROR:
                        return  # and come again
                    raise RefusedError(frame["error"]["message"])
                yield frame

    def _ask(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        try:
            reply = self._http.request(method, path, **options)
        except httpx.TransportError as error:
            raise self._unreachable(error) from error
        if reply.is_error:
            raise RefusedError(_message(reply))
        answer: dict[str, Any] = reply.json()
        return answer

    def _unreachable(self, error: Exception) -> ConnectError:
        return ConnectError(f"no server answers at {self._url}: {error}")


def _message(reply: httpx.Response) -> str:
    try:
        message: str = reply.json()["error"]["message"]
    except (ValueError, KeyError, TypeError):
        return f"HTTP {reply.status_code}: {reply.text[:200]}"
    return message
