"""An HTTP server that says what a test gives it, in its words or broken off in the middle of them."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Self


@dataclass(frozen=True, kw_only=True)
class Answer:
    """Events, or a body; an answer that is not `whole` ends with the connection and not with its last event."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    events: Sequence[dict[str, Any]] = ()
    body: dict[str, Any] = field(default_factory=dict)
    whole: bool = True


class HttpPeer:
    """Gives its answers one after the other, the last one again and again."""

    def __init__(self, *answers: Answer) -> None:
        self._answers = list(answers)
        self.requests: list[Any] = []  # their bodies
        self.url = ""

    @classmethod
    @asynccontextmanager
    async def open(cls, *answers: Answer) -> AsyncIterator[Self]:
        peer = cls(*answers)
        server = await asyncio.start_server(peer._serve, "127.0.0.1", 0)
        peer.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield peer
        server.close()
        await server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.split("content-length: ")[1].split("\r\n")[0])
        self.requests.append(json.loads(await reader.readexactly(length)))
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        writer.write(_written(answer))
        await writer.drain()
        writer.close()


def _written(answer: Answer) -> bytes:
    streamed = answer.status == 200
    body = b"".join(map(_event, answer.events)) if streamed else json.dumps(answer.body).encode()
    kind = "text/event-stream" if streamed else "application/json"
    length = len(body) if answer.whole else len(body) + 1
    headers = {"content-type": kind, "content-length": str(length), "connection": "close", **answer.headers}
    lines = [f"HTTP/1.1 {answer.status} Said", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    return "\r\n".join(lines).encode() + body


def _event(event: dict[str, Any]) -> bytes:
    name = f"event: {event['type']}\n" if "type" in event else ""
    return f"{name}data: {json.dumps(event)}\n\n".encode()
