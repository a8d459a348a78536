"""A client that reads a streamed reply of an ASGI application without a socket, for tests."""

import asyncio
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Message, Scope

PATIENCE_S = 60


class AsgiStream:
    """One request, a POST where it has a body. Leaving the block disconnects.

    Nothing is sent beyond what `room` chunks allow (None: all).
    """

    def __init__(
        self,
        app: ASGIApp,
        url: str = "/",
        *,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
        room: int | None = None,
    ) -> None:
        parts = urlsplit(url)
        self._app = app
        self._scope: Scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": "GET" if body is None else "POST",
            "path": parts.path,
            "query_string": parts.query.encode(),
            "headers": [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()],
        }
        self._body = body or b""
        self._left = asyncio.Event()
        self._asked = False
        self._sent: asyncio.Queue[Message | None] = asyncio.Queue()
        self._room = asyncio.Semaphore(room) if room is not None else None
        self.headers: dict[str, str] = {}
        self.complete = False  # the body came to its end
        self.task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self.task = asyncio.create_task(self._run())
        message = await self._next()
        assert message is not None
        self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._left.set()
        assert self.task is not None
        await asyncio.wait_for(asyncio.wait([self.task]), PATIENCE_S)

    async def chunk(self) -> bytes | None:
        """The next part of the body; None where the application has returned."""
        while (message := await self._next()) is not None:
            self.complete = not message.get("more_body", False)
            if message["body"]:
                return bytes(message["body"])
        return None

    async def chunks(self) -> list[bytes]:
        """All that come."""
        found = []
        while (chunk := await self.chunk()) is not None:
            found.append(chunk)
        return found

    def take(self) -> None:
        """Let one more chunk be sent."""
        assert self._room is not None
        self._room.release()

    async def _next(self) -> Message | None:
        return await asyncio.wait_for(self._sent.get(), PATIENCE_S)

    async def _run(self) -> None:
        try:
            await self._app(self._scope, self._receive, self._send)
        finally:
            self._sent.put_nowait(None)

    async def _receive(self) -> Message:
        if self._asked:
            await self._left.wait()
            return {"type": "http.disconnect"}
        self._asked = True
        return {"type": "http.request", "body": self._body, "more_body": False}

    async def _send(self, message: Message) -> None:
        if self._room is not None and message["type"] == "http.response.body":
            await self._room.acquire()
        self._sent.put_nowait(message)
