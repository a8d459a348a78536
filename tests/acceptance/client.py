"""What the acceptance tests do with a server: nothing but HTTP and WebSockets."""

import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
from websockets.sync.client import connect

from tests.servers import ServerProcess

PATIENCE_S = 60.0
PAUSE_S = 0.05
TERMINAL = ("completed", "incomplete", "failed", "cancelled")


class Client:
    """A plain user of one server."""

    def __init__(self, server: ServerProcess) -> None:
        self.model = server.model
        self.http = httpx.Client(base_url=server.url, timeout=PATIENCE_S)
        self._socket_url = server.socket_url

    def submit(self, script: dict[str, Any] | None = None, **body: Any) -> str:
        """A job's id. `script` is for the scripted engine."""
        if not body.keys() & {"template", "messages", "prompt"}:
            body["prompt"] = "Say something."
        if script is not None:
            body |= {"metadata": {"scripted": json.dumps(script)}, "max_output_tokens": 2000}
        reply = self.http.post("/async-generate", json={"model": self.model, **body})
        assert reply.status_code == 202, reply.text
        return str(reply.json()["job_id"])

    def get(self, path: str, **query: Any) -> dict[str, Any]:
        """The JSON of a page that is there."""
        reply = self.http.get(path, params=query)
        assert reply.status_code == 200, reply.text
        return dict(reply.json())

    def wait(self, job_id: str) -> dict[str, Any]:
        """The job's view once it is terminal."""
        give_up_at = time.monotonic() + PATIENCE_S
        while (job := self.get(f"/jobs/{job_id}"))["status"] not in TERMINAL:
            assert time.monotonic() < give_up_at, job
            time.sleep(PAUSE_S)
        return job

    def events(self, job_id: str) -> list[str]:
        """The types of a job's events."""
        return [event["type"] for event in self.get(f"/jobs/{job_id}/events")["data"]]

    def stream(self, job_id: str, starting_after: int | None = None) -> Iterator[dict[str, Any]]:
        """The frames until the server closes."""
        query = "" if starting_after is None else f"?starting_after={starting_after}"
        with connect(f"{self._socket_url}/jobs/{job_id}/stream{query}", open_timeout=PATIENCE_S) as socket:
            for message in socket:
                yield json.loads(message)

    def output_text(self, job_id: str) -> str:
        """The text of a response."""
        output = self.get(f"/v1/responses/{job_id}")["output"]
        return "".join(part["text"] for item in output for part in item["content"])


def text_of(frames: list[dict[str, Any]]) -> str:
    """The text that a stream showed."""
    return "".join(frame["text"] for frame in frames if frame["type"] == "token")
