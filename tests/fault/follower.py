"""A client that follows a response's stream, and takes it up again where a connection broke."""

import json
import time
from collections.abc import Iterator
from typing import Any, Protocol

import httpx

PATIENCE_S = 240.0
DONE = b"data: [DONE]"


class Place(Protocol):
    """Where a server is."""

    @property
    def url(self) -> str: ...


class Follower:
    """What one client saw. `connections` says how often it had to connect."""

    def __init__(self, server: Place, body: dict[str, Any]) -> None:
        self._server = server
        self._body = body
        self.frames: list[bytes] = []
        self.events: list[dict[str, Any]] = []
        self.connections = 0

    @property
    def response_id(self) -> str:
        """The id that the first event told."""
        return str(self.events[0]["response"]["id"])

    @property
    def text(self) -> str:
        """The text so far."""
        return "".join(event["delta"] for event in self.events if event["type"] == "response.output_text.delta")

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """The events up to the last one, each once."""
        give_up_at = time.monotonic() + PATIENCE_S
        while True:
            try:
                for frame in self._connection():
                    if frame == DONE:
                        return
                    self._take(frame)
                    yield self.events[-1]
            except (httpx.TransportError, httpx.HTTPStatusError):
                time.sleep(0.1)
            assert time.monotonic() < give_up_at, self.events[-1:]

    def replay(self) -> list[bytes]:
        """The whole stream as it can be read now."""
        return [frame for frame in self._read("GET", self._path()) if frame != DONE]

    def _take(self, frame: bytes) -> None:
        event = json.loads(frame.partition(b"\ndata: ")[2])
        assert event["sequence_number"] == len(self.events)
        self.frames.append(frame)
        self.events.append(event)

    def _connection(self) -> Iterator[bytes]:
        self.connections += 1
        if not self.events:
            return self._read("POST", "/v1/responses", json=self._body)
        return self._read("GET", f"{self._path()}&starting_after={len(self.events) - 1}")

    def _path(self) -> str:
        return f"/v1/responses/{self.response_id}?stream=true"

    def _read(self, method: str, path: str, **options: Any) -> Iterator[bytes]:
        waiting = b""
        with httpx.stream(method, f"{self._server.url}{path}", timeout=PATIENCE_S, **options) as reply:
            reply.raise_for_status()
            for data in reply.iter_raw():
                *frames, waiting = (waiting + data).split(b"\n\n")
                yield from (frame for frame in frames if not frame.startswith(b":"))
