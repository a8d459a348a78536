"""`WS /v1/responses`: responses one after another on one connection, each as the events that a stream has.

Invariants:
- One request is worked on at a time, in their order; at most `WAITING` more wait.
- A client that goes cancels what is under way, as with any foreground response.
- A connection whose time is over, or whose process is to end, finishes what is under way before it is closed.
"""

import asyncio
import contextlib

from fastapi import APIRouter, WebSocket, WebSocketDisconnect

from deployments.ingestion.errors import ApiError
from deployments.ingestion.lane import Lane
from deployments.ingestion.middleware import tenant_of
from deployments.ingestion.readers import DrainError
from deployments.ingestion.service import IngestionService

LIFETIME_S = 3600.0
WAITING = 16
GOING_AWAY = 1001  # close codes on which clients connect again
SERVICE_RESTART = 1012


def socket_route(service: IngestionService, *, limit: int) -> APIRouter:
    """The one route; `limit` is that of a request in bytes."""
    router = APIRouter()

    @router.websocket("/v1/responses")
    async def responses(socket: WebSocket) -> None:
        await socket.accept()
        await Connection(socket, service, limit=limit).run()

    return router


class Connection:
    """One client's."""

    def __init__(self, socket: WebSocket, service: IngestionService, *, limit: int) -> None:
        self._socket = socket
        self._leaving, self._draining = service.leaving, service.draining
        self._lane = Lane(service, tenant_of(socket.scope), socket.send_text, limit=limit)
        self._waiting: asyncio.Queue[str] = asyncio.Queue(WAITING)
        self._busy = asyncio.Lock()

    async def run(self) -> None:
        """Serve it until the client leaves, its time is over, or this process ends."""
        working = asyncio.create_task(self._work())
        others = [asyncio.create_task(wait()) for wait in (self._read, self._draining.wait, self._leave)]
        try:
            async with asyncio.timeout(LIFETIME_S):
                await asyncio.wait((working, *others), return_when=asyncio.FIRST_COMPLETED)
            if self._leaving.is_set():
                await self._close(SERVICE_RESTART)
        except TimeoutError:
            await self._retire()
        finally:
            for task in (working, *others):
                task.cancel()
            await asyncio.gather(working, *others, return_exceptions=True)

    async def _work(self) -> None:
        with contextlib.suppress(WebSocketDisconnect, DrainError):
            while True:
                text = await self._waiting.get()
                async with self._busy:
                    await self._lane.answer(text)

    async def _read(self) -> None:
        while (message := await self._socket.receive())["type"] != "websocket.disconnect":
            text = message.get("text")
            try:
                self._waiting.put_nowait(text if text is not None else message["bytes"].decode(errors="replace"))
            except asyncio.QueueFull:
                await self._lane.fail(ApiError(429, "Too many requests are waiting.", "rate_limit_exceeded"))

    async def _leave(self) -> None:
        """Returns when the process is to end and nothing is under way."""
        await self._leaving.wait()
        async with self._busy:
            return

    async def _retire(self) -> None:
        """Its time is over."""
        async with self._busy:
            message = "The connection is as old as one may be; please connect again."
            with contextlib.suppress(WebSocketDisconnect):
                await self._lane.fail(ApiError(400, message, "websocket_connection_limit_reached"))
            await self._close(GOING_AWAY)

    async def _close(self, code: int) -> None:
        with contextlib.suppress(WebSocketDisconnect, RuntimeError):  # it has left by itself
            await self._socket.close(code)
