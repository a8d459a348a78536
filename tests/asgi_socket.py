"""A WebSocket client that speaks to an ASGI application without a socket, for tests."""

import asyncio
import json
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Message, Scope

PATIENCE_S = 60


class AsgiSocket:
    """One connection. `frames()` collects to the close; leaving the block disconnects."""

    def __init__(self, app: ASGIApp, url: str, *, headers: dict[str, str] | None = None) -> None:
        parts = urlsplit(url)
        self._app = app
        self._scope: Scope = {
            "type": "websocket",
            "path": parts.path,
            "query_string": parts.query.encode(),
            "headers": [(k.encode(), v.encode()) for k, v in (headers or {}).items()],
            "subprotocols": [],
        }
        self._sent: asyncio.Queue[Message] = asyncio.Queue()
        self._received: asyncio.Queue[Message] = asyncio.Queue()
        self.code: int | None = None
        self.task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._received.put_nowait({"type": "websocket.connect"})
        self.task = asyncio.create_task(self._run())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._received.put_nowait({"type": "websocket.disconnect", "code": 1000})
        assert self.task is not None
        await self.task

    async def next(self) -> dict[str, Any] | None:
        """The next frame; None once the server has closed."""
        while (message := await asyncio.wait_for(self._sent.get(), PATIENCE_S))["type"] == "websocket.accept":
            pass
        if message["type"] == "websocket.close":
            self.code = message.get("code", 1000)
            return None
        return dict(json.loads(message["text"]))

    def say(self, frame: str | dict[str, Any]) -> None:
        """Send a text, or an object as JSON."""
        text = frame if isinstance(frame, str) else json.dumps(frame)
        self._received.put_nowait({"type": "websocket.receive", "text": text})

    async def frames(self) -> list[dict[str, Any]]:
        """All that come until the server closes."""
        found = []
        while (frame := await self.next()) is not None:
            found.append(frame)
        return found

    async def _run(self) -> None:
        await self._app(self._scope, self._received.get, self._sent.put)
