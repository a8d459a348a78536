"""The replies to direct requests: one object, or a stream of data-only events.

Invariants:
- What goes wrong before anything was sent is an HTTP error; later it is an event with `error`, and no `[DONE]` follows.
- A client that leaves ends the work, whatever it was waiting for.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping, Sequence
from contextlib import aclosing
from typing import Any, Protocol

from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from deployments.inference.speech import Batch
from deployments.ingestion.attachments import while_present
from deployments.ingestion.errors import api_error
from deployments.ingestion.jobs import json_reply

log = logging.getLogger("heliograph")
Object = Mapping[str, Any]
Answers = AsyncGenerator[tuple[int, Batch], None]  # batches with the number of their answer
Parts = AsyncGenerator[Sequence[Object], None]  # objects that are there together
KEEP_ALIVE_S = 15.0  # of silence
_GONE = 499  # nobody reads it
_DONE = b"data: [DONE]\n\n"
_PING = b": ping\n\n"
_HEADERS = {"cache-control": "no-cache", "x-accel-buffering": "no"}


class Chunks(Protocol):
    """How one answer looks in a stream."""

    def of(self, batch: Batch) -> Sequence[Object]:
        """The objects that a batch becomes."""


async def chunked(
    answers: Answers, begin: Callable[[int, Batch], Chunks], end: Callable[[list[Batch]], Object] | None
) -> Parts:
    """The answers in chunks, each begun by its first batch; `end` makes the last object of their last batches."""
    chunks: dict[int, Chunks] = {}
    lasts: dict[int, Batch] = {}
    async with aclosing(answers):
        async for index, batch in answers:
            if index not in chunks:
                chunks[index] = begin(index, batch)
            lasts[index] = batch
            if objects := chunks[index].of(batch):
                yield objects
    if end is not None:
        yield [end([lasts[index] for index in sorted(lasts)])]


async def object_reply(request: Request, work: Coroutine[Any, Any, Object | bytes]) -> Response:
    """What the work results in, as JSON; bytes are JSON already."""
    result = await while_present(request.receive, work)
    if result is None:
        return Response(status_code=_GONE)
    return Response(result, media_type="application/json") if isinstance(result, bytes) else json_reply(result)


class StreamReply(Response):
    """The parts as events, as they come; `keep_alive_s` of silence are broken by a comment."""

    media_type = "text/event-stream"

    def __init__(self, parts: Parts, *, keep_alive_s: float = KEEP_ALIVE_S) -> None:
        super().__init__(headers=_HEADERS)
        del self.headers["content-length"]
        self._parts = parts
        self._keep_alive_s = keep_alive_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send all of it, unless the client leaves."""
        del scope
        start = {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
        writer = _Writer(send, start)
        await while_present(receive, self._write(writer))

    async def _write(self, writer: "_Writer") -> None:
        pinging = asyncio.create_task(writer.ping(self._keep_alive_s))
        try:
            async with aclosing(self._parts) as parts:
                async for part in parts:
                    await writer.write(b"".join([b"data: " + to_json(item) + b"\n\n" for item in part]))
            await writer.write(_DONE)
        except Exception as error:
            if not writer.begun:
                raise
            await writer.write(b"data: " + to_json(_told(error)) + b"\n\n")
        finally:
            pinging.cancel()
        await writer.end()


class _Writer:
    """Writes one body; whoever comes first begins it."""

    def __init__(self, send: Send, start: Mapping[str, Any]) -> None:
        self._send = send
        self._start = start
        self._turn = asyncio.Lock()
        self._silent = True
        self.begun = False

    async def write(self, data: bytes) -> None:
        async with self._turn:
            self._silent = False
            if not self.begun:
                self.begun = True
                await self._send(dict(self._start))
            await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def ping(self, every_s: float) -> None:
        while True:
            self._silent = True
            await asyncio.sleep(every_s)
            if self._silent:
                await self.write(_PING)

    async def end(self) -> None:
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})


def _told(error: Exception) -> dict[str, Any]:
    told = api_error(error)
    if told.status >= 500:
        log.error("a direct stream failed", exc_info=error)
    return told.body()
