"""A stream of Server-Sent Events as a reply. It never parses or renders anything: frames are ready bytes.

Invariants:
- The head goes out before anything is waited for, and so does the first batch that is there.
- Events are sent whole, many in one chunk where many are there; only comments keep a silent connection alive.
- Nothing is taken from the source before the connection has taken what was sent last, so a slow client costs nothing.
- Only a stream that came to its end has an end: `[DONE]`. A fault, or this server's end, breaks the connection, so that
  the client knows and resumes.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing, suppress

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from deployments.history.stream_events import StreamFrame
from deployments.ingestion.readers import DrainError

HEADERS = {"cache-control": "no-cache", "x-accel-buffering": "no"}
PING = b": ping\n\n"
DONE = b"data: [DONE]\n\n"
Gone = Callable[[], Awaitable[None]]


class EventStream(Response):
    """Sends batches of frames; an empty one is a silence. `on_gone` is called where a client leaves before the end."""

    media_type = "text/event-stream"

    def __init__(
        self,
        batches: AsyncGenerator[Sequence[StreamFrame]],
        *,
        headers: Mapping[str, str] | None = None,
        on_gone: Gone | None = None,
    ) -> None:
        self.status_code = 200
        self.background = None
        self.init_headers({**HEADERS, **(headers or {})})
        self._batches = batches
        self._on_gone = on_gone

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI
        """Send it all, as long as the client is there."""
        sending = asyncio.create_task(self._send(send))
        listening = asyncio.create_task(_until_gone(receive))
        try:
            await asyncio.wait((sending, listening), return_when=asyncio.FIRST_COMPLETED)
        finally:  # a server may also cancel this where the client has left
            gone = not sending.done()
            for task in (sending, listening):
                task.cancel()
            await asyncio.gather(sending, listening, return_exceptions=True)
            if gone and self._on_gone is not None:
                await self._on_gone()
        if not gone:
            with suppress(DrainError):  # no end of the body then: the server breaks the connection
                sending.result()

    async def _send(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        async with aclosing(self._batches) as batches:
            async for batch in batches:
                body = b"".join([frame.sse for frame in batch]) if batch else PING
                await send({"type": "http.response.body", "body": body, "more_body": True})
        await send({"type": "http.response.body", "body": DONE, "more_body": False})


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
